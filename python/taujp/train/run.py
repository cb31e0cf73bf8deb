"""One run from its objective to its checkpoint, going on from where an earlier one was killed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from taujp.train.checkpoint import save_finetuned
from taujp.train.device import surroundings
from taujp.train.encoder import PREFIX
from taujp.train.fit import fit
from taujp.train.log import JsonLines, Logger
from taujp.train.objective import Objective
from taujp.train.recipe import Recipe
from taujp.train.resume import SavedState
from taujp.train.stopping import stop_request


@dataclass(frozen=True)
class Finetuned:
    """The fine-tuned weights by name, where they were written, and the loss of every step."""

    state: dict[str, Tensor]
    path: Path | None
    losses: tuple[float, ...]


@dataclass(frozen=True)
class Output:
    """Where a run writes, and whether it goes on from what an earlier one left there."""

    out: Path | None
    log: Path | None
    loggers: tuple[Logger, ...]
    progress: bool
    resume: bool

    @classmethod
    def at(
        cls,
        out: str | Path | None,
        log: str | Path | None,
        *,
        loggers: Sequence[Logger],
        progress: bool,
        resume: bool,
    ) -> Output:
        """From what callers pass."""
        file, log_file = (None if path is None else Path(path) for path in (out, log))
        return cls(file, log_file, tuple(loggers), progress, resume)

    def all_loggers(self) -> list[Logger]:
        """The JSON log, beside `out` where no place was named, and those asked for."""
        log = self.log or (self.out and self.out.with_suffix(".jsonl"))
        return [*([JsonLines(log)] if log else []), *self.loggers]


def run(
    fabric: Any,
    objective: Objective,
    recipe: Recipe,
    output: Output,
    *,
    told: Mapping[str, Any],
    compared: Mapping[str, Any],
) -> Finetuned:
    """Fits the objective and writes its learner's weights.

    `told`: settings for the checkpoint's metadata; `compared`: those that a saved state must share.
    """
    saved = SavedState(output.out, compared)
    if not output.resume and fabric.is_global_zero:
        saved.discard()
    fabric.barrier()
    with surroundings(fabric), stop_request() as request:
        losses = fit(
            fabric,
            objective,
            recipe,
            saved,
            request,
            loggers=output.all_loggers(),
            progress=output.progress,
        )
        state = {
            PREFIX + name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in objective.learner.state().items()  # type: ignore[operator]
        }
        if output.out is not None and fabric.is_global_zero:
            result = {"last_loss": losses[-1], "torch": torch.__version__}
            save_finetuned(state, output.out, {**told, **result})
            saved.discard()
    return Finetuned(state, output.out, losses)
