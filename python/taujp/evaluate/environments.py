"""One model's logits on several environments: every metric in each, and its variance across them.

temperature   of each environment from its own validation data, or one from all of them pooled
mean, variance   of a metric over the E environments; the variance is the population's, 1/E
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pvariance

import torch
from torch import Tensor

from taujp.evaluate.calibration_metrics import (
    brier_score,
    equal_mass_calibration_error,
    top_label_calibration_error,
)
from taujp.evaluate.metrics import scores
from taujp.evaluate.outputs import Outputs
from taujp.evaluate.task_scores import Scores
from taujp.evaluate.temperature import at_temperature, fit_temperature

METRICS = ("accuracy", "ece", "ece_equal_mass", "ace", "ace_top_label", "nll", "brier")


@dataclass(frozen=True)
class CalibrationScores:
    """One model on one data set.

    scores: accuracy, ECE in bins of equal width, class-wise ACE, NLL, and the ECE's bins.
    ece_equal_mass, ace_top_label, brier: of calibration_metrics.
    """

    scores: Scores
    ece_equal_mass: float
    ace_top_label: float
    brier: float

    def metrics(self) -> dict[str, float]:
        """METRICS by name."""
        every = {**vars(self.scores), **vars(self)}
        return {name: float(every[name]) for name in METRICS}


@dataclass(frozen=True)
class EnvironmentCalibration:
    """Test data of one environment: with the logits as they are, and divided by `temperature`."""

    temperature: float
    plain: CalibrationScores
    scaled: CalibrationScores


@dataclass(frozen=True)
class Spread:
    """Of one metric across environments."""

    mean: float
    variance: float


def calibration_scores(logits: Tensor, labels: Tensor, *, bins: int = 15) -> CalibrationScores:
    """Every metric of logits [n, classes] and labels int64 [n]; ValueError as `scores`."""
    found = scores(logits, labels, bins=bins, reliability=True)
    probabilities, labels = logits.detach().cpu().double().softmax(-1), labels.detach().cpu()
    return CalibrationScores(
        found,
        equal_mass_calibration_error(probabilities, labels, bins=bins),
        top_label_calibration_error(probabilities, labels, ranges=bins),
        brier_score(probabilities, labels),
    )


def calibrate(
    validation: Mapping[str, Outputs], test: Mapping[str, Outputs], *, pooled: bool = False
) -> dict[str, EnvironmentCalibration]:
    """The metrics of every environment of `test`, whose temperature comes from `validation` alone.

    pooled: one temperature for all, fitted on all rows of `validation` together; an environment
    that has no validation data needs it. ValueError where a temperature has no data to come from.
    """
    missing = [name for name in test if name not in validation]
    if not validation or (missing and not pooled):
        raise ValueError(
            f"calibrate: there are no validation data of {missing or 'any environment'}; expected "
            "some, since temperatures are never fitted on test data; pass pooled=True to take one "
            "temperature from the other environments"
        )
    if pooled:
        logits, labels = _joined(validation)
        temperatures = dict.fromkeys(test, fit_temperature(logits, labels))
    else:
        temperatures = {
            name: fit_temperature(validation[name].values, validation[name].labels) for name in test
        }
    return {name: _scaled(one, temperatures[name]) for name, one in test.items()}


def spreads(found: Sequence[CalibrationScores]) -> dict[str, Spread]:
    """Mean and variance of every metric across environments."""
    every = [each.metrics() for each in found]
    columns = {name: [each[name] for each in every] for name in METRICS}
    return {name: Spread(fmean(values), pvariance(values)) for name, values in columns.items()}


def _joined(parts: Mapping[str, Outputs]) -> tuple[Tensor, Tensor]:
    widths = {name: one.values.shape[-1] for name, one in parts.items()}
    if len(set(widths.values())) > 1:
        raise ValueError(
            f"calibrate: the environments have {widths} classes; expected the same number to pool "
            "them; fit each by itself"
        )
    values = torch.cat([one.values for one in parts.values()])
    return values, torch.cat([one.labels for one in parts.values()])


def _scaled(test: Outputs, temperature: float) -> EnvironmentCalibration:
    return EnvironmentCalibration(
        temperature,
        calibration_scores(test.values, test.labels),
        calibration_scores(at_temperature(test.values, temperature), test.labels),
    )
