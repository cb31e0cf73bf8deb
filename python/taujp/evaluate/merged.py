"""What the protocols ask of fine-tuned models: their outputs alone and added up.

Ordinary models are added in weight space (MergedWeights), linearised ones through cached tangents
(MergedTangents). Which of them a checkpoint needs stands in its metadata.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import taujp
from taujp.checkpoint import open_checkpoint
from taujp.evaluate.coefficient_rows import Coefficients
from taujp.evaluate.outputs import Keep, Outputs, all_of_it
from taujp.evaluate.task_scores import Scores
from taujp.train.prepare import PreparedTask

Split = Literal["validation", "test"]


@runtime_checkable
class MergedModels(Protocol):
    """theta0 + sum_t c_t tau_t for any coefficients, on the data of any task."""

    mode: str
    method: str
    options: Mapping[str, Any]
    names: tuple[str, ...]

    @property
    def layers(self) -> tuple[str, ...]:
        """The groups of weights that may have coefficients of their own."""
        ...

    @property
    def vectors(self) -> Mapping[str, taujp.TaskVector]:
        """The task vectors by their tasks."""
        ...

    def outputs(
        self,
        rows: Sequence[Coefficients],
        task: PreparedTask,
        split: Split,
        *,
        keep: Keep = all_of_it,
    ) -> Iterator[Outputs]:
        """The outputs for one row of coefficients after another; an empty row is theta0.

        keep: what is kept of a batch's outputs, as for predictions their argmax.
        """
        ...

    def own(
        self, name: str, task: PreparedTask, split: Split, *, keep: Keep = all_of_it
    ) -> Outputs:
        """The outputs of the model fine-tuned on `name` alone."""
        ...

    def scores(
        self, rows: Sequence[Coefficients], task: PreparedTask, split: Split
    ) -> list[Scores]:
        """The scores of every row; what was asked before is not computed again."""
        ...

    def own_scores(self, name: str, task: PreparedTask, split: Split) -> Scores:
        """The scores of the model fine-tuned on `name` alone."""
        ...

    def tau_jp(self, task: PreparedTask, split: Split) -> dict[str, float]:
        """mean over x of || J(x; theta0) tau || of every vector on one task's data."""
        ...


def merged_models(
    model: Any,
    finetuned: Mapping[str, Any],
    *,
    method: str = "task_arithmetic",
    workers: int = 0,
    images_at_once: int = 1024,
    **options: Any,
) -> MergedModels:
    """The models of checkpoints by task name, added as the mode in their metadata asks for.

    Checkpoints without a mode (state dicts, other programs' files) are ordinary models; to
    linearise such ones after the fact make `MergedTangents(model, checkpoints)`. Keep the object:
    all protocols share what it has computed.

    model: the pre-trained one, of open_clip, of transformers, any module or a `Classifier`.
    method, options: of taujp.merge_many; images_at_once: of MergedWeights. ValueError for
    checkpoints of several modes, and for a method that linearised models do not have.
    """
    from taujp.evaluate.merged_tangents import MergedTangents
    from taujp.evaluate.merged_weights import MergedWeights

    mode = mode_of_all(finetuned)
    if mode == "standard":
        return MergedWeights(
            model,
            finetuned,
            method=method,
            workers=workers,
            images_at_once=images_at_once,
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
    return str(settings_of(checkpoint).get("mode", "standard"))


def settings_of(checkpoint: Any) -> dict[str, Any]:
    """What `finetune` wrote into a checkpoint's file; nothing of others and of state dicts."""
    if not isinstance(checkpoint, str | os.PathLike):
        return {}
    settings: dict[str, Any] = json.loads(open_checkpoint(checkpoint).metadata.get("taujp", "{}"))
    return settings
