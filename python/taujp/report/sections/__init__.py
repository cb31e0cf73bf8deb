"""One file a topic of the report: each draws its blocks from the runs of one model."""

from taujp.report.sections import (
    addition,
    analogy,
    calibration,
    causal,
    cost,
    disentanglement,
    ensemble,
    interference,
    negation,
    provenance,
    seeds,
    single,
    subsets,
    sweeps,
    temperature,
    unseen,
)

SECTIONS = (
    addition.SECTION,
    negation.SECTION,
    sweeps.SECTION,
    subsets.SECTION,
    single.SECTION,
    disentanglement.SECTION,
    interference.SECTION,
    causal.SECTION,
    calibration.SECTION,
    temperature.SECTION,
    analogy.SECTION,
    unseen.SECTION,
    ensemble.SECTION,
    seeds.SECTION,
    cost.SECTION,
    provenance.SECTION,
)
