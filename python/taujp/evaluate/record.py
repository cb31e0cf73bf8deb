"""A result and where it comes from; result_files.py keeps it on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from taujp.evaluate.pair_results import Disentanglement, Interference
from taujp.evaluate.results import Addition, Analogy, Ensemble, Negation, Single, Subsets, Unseen

if TYPE_CHECKING:
    from taujp.evaluate.calibration import Calibration
    from taujp.inspecting.result import Inspection
    from taujp.searching.result import Search
    from taujp.tangent.metric import TauJpMatrix

SCHEMA = "taujp.result/1"  # the number rises when a file of before can no longer be read

Result: TypeAlias = (
    "Single | Addition | Negation | Analogy | Subsets | Disentanglement | Interference | Unseen "
    "| Ensemble | Calibration | TauJpMatrix | Search "
    "| Inspection"
)
RESULTS: tuple[type, ...] = (
    Single,
    Addition,
    Negation,
    Analogy,
    Subsets,
    Disentanglement,
    Interference,
    Unseen,
    Ensemble,
)


@dataclass(frozen=True)
class Provenance:
    """What a result was made of; what is not known is empty or None.

    model: its name. way: how its task vectors were fine-tuned, as in "linear + tauJp".
    checkpoints, data: digests by name and by task. created: ISO 8601, UTC. command: what was typed,
    without the folders of paths.
    """

    model: str = ""
    way: str = ""
    checkpoints: Mapping[str, str] = field(default_factory=dict)
    data: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
    software: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    command: str = ""


@dataclass(frozen=True)
class Cost:
    """What a protocol took. peak_memory_bytes: on a GPU allocated by torch, on the CPU resident in
    the process, what was there before included; None where the system does not say."""

    seconds: float
    peak_memory_bytes: int | None
    device: str


@dataclass(frozen=True)
class Record:
    """A result file: `schema` is its format's version, `kind` the protocol, as in "addition"."""

    schema: str
    kind: str
    result: Result
    provenance: Provenance
    cost: Cost | None = None
