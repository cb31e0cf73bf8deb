"""What the protocols ask of fine-tuned models: their accuracies alone and added up.

Ordinary models are added in weight space (MergedWeights), linearised ones through cached tangents
(MergedTangents). Which of them a checkpoint needs stands in its metadata.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

from taujp.checkpoint import open_checkpoint
from taujp.train.prepare import PreparedTask

Split = Literal["validation", "test"]
Coefficients: TypeAlias = Mapping[str, float]


@runtime_checkable
class MergedModels(Protocol):
    """theta0 + sum_t c_t tau_t for any coefficients: accuracies in [0, 1] of tasks' data."""

    mode: str
    method: str
    options: Mapping[str, Any]
    names: tuple[str, ...]

    def pretrained(self, task: PreparedTask, split: Split) -> float:
        """All coefficients 0."""
        ...

    def finetuned(self, name: str, task: PreparedTask, split: Split) -> float:
        """The model fine-tuned on `name` alone."""
        ...

    def sums(
        self, rows: Sequence[Coefficients], tasks: Sequence[PreparedTask], split: Split
    ) -> Iterator[dict[str, float]]:
        """For each row of coefficients (a name left out has 0) every task's accuracy."""
        ...


def merged_models(
    model: Any,
    finetuned: Mapping[str, Any] | MergedModels,
    *,
    method: str = "task_arithmetic",
    merges_at_once: int | None = None,
    workers: int = 0,
    **options: Any,
) -> MergedModels:
    """The models of checkpoints by task name, added as the mode in their metadata asks for.

    Checkpoints without a mode (state dicts, other programs' files) are ordinary models; to
    linearise such ones after the fact pass `MergedTangents(model, checkpoints)` to the protocols.
    """
    from taujp.evaluate.merged_tangents import MergedTangents
    from taujp.evaluate.merged_weights import MergedWeights

    if isinstance(finetuned, MergedModels):
        if method not in ("task_arithmetic", finetuned.method) or options:
            raise ValueError(
                f"merged_models: method {method!r} and options {sorted(options)} for a "
                f"{type(finetuned).__name__} of method {finetuned.method!r}; expected none; give "
                "them to the object when it is made"
            )
        return finetuned
    mode = mode_of_all(finetuned)
    if mode == "standard":
        return MergedWeights(
            model,
            finetuned,
            method=method,
            merges_at_once=merges_at_once,
            workers=workers,
            **options,
        )
    if method != "task_arithmetic" or options:
        raise ValueError(
            f"merged_models: method {method!r} with options {sorted(options)} for checkpoints of "
            f"mode {mode!r}; expected 'task_arithmetic' and no options, since linearised models "
            "are sums of cached features"
        )
    return MergedTangents(model, finetuned, mode=mode, workers=workers)


def mode_of_all(finetuned: Mapping[str, Any]) -> str:
    """The mode that all checkpoints were fine-tuned in; different ones are an error."""
    modes = {name: mode_of(checkpoint) for name, checkpoint in finetuned.items()}
    if len(set(modes.values())) > 1:
        raise ValueError(
            f"merged_models: the checkpoints' modes are {modes}; expected one and the same; "
            "evaluate each kind by itself"
        )
    return next(iter(modes.values()), "standard")


def mode_of(checkpoint: Any) -> str:
    """How a checkpoint was fine-tuned: "standard" unless its file says otherwise."""
    if not isinstance(checkpoint, str | os.PathLike):
        return "standard"
    settings = json.loads(open_checkpoint(checkpoint).metadata.get("taujp", "{}"))
    return str(settings.get("mode", "standard"))
