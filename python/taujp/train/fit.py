"""The training loop: steps, log, progress, and the states to go on from."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from tqdm import tqdm

from taujp.train.batches import drawn
from taujp.train.log import Logger
from taujp.train.objective import Objective
from taujp.train.recipe import Recipe
from taujp.train.resume import SavedState
from taujp.train.step import Stepper
from taujp.train.stopping import StopRequest

DROPOUT = 2  # what a step's own random numbers are drawn for; batches.py has the other purposes


def fit(
    fabric: Any,
    objective: Objective,
    recipe: Recipe,
    saved: SavedState,
    request: StopRequest,
    *,
    loggers: Sequence[Logger] = (),
    progress: bool = True,
) -> tuple[float, ...]:
    """Trains `objective.learner` in place, from `saved` where it has a state; every step's loss.

    A request to stop is answered after the step it came in: the state is saved, and
    KeyboardInterrupt says how to go on. Only rank 0 logs and writes.
    """
    run = _Run(fabric, objective, recipe, saved)
    first = fabric.is_global_zero
    bar = tqdm(
        total=recipe.steps,
        initial=run.step,
        desc="fine-tuning",
        disable=not (progress and first),
        leave=False,
    )
    opened = _open(loggers if first else (), run.step, saved.settings)
    with bar, opened as open_loggers:
        started = time.perf_counter()
        while run.step < recipe.steps:
            figures = run.advance(request)
            figures["seconds"] = round(time.perf_counter() - started, 3)
            for logger in open_loggers:
                logger.write(run.step - 1, figures)
            bar.set_postfix(loss=f"{figures['loss']:.3f}", refresh=False)
            bar.update()
            run.keep_state()
    return tuple(run.losses)


class _Run:
    """A run between two steps."""

    def __init__(
        self, fabric: Any, objective: Objective, recipe: Recipe, saved: SavedState
    ) -> None:
        self.fabric, self.recipe, self.saved, self.stop = fabric, recipe, saved, False
        self.stepper, self.learner = Stepper(fabric, objective, recipe), objective.learner
        self.losses = saved.restore(self.learner, self.stepper.optimiser)
        self._check_ranks()
        objective.open(start=self.step, part=fabric.global_rank, parts=fabric.world_size)

    @property
    def step(self) -> int:
        """The next step's number: how many are done."""
        return len(self.losses)

    def advance(self, request: StopRequest) -> dict[str, float]:
        """Takes the next step and returns its figures."""
        began = time.perf_counter()
        torch.manual_seed(drawn(self.recipe.seed, DROPOUT, self.step, self.fabric.global_rank))
        taken = self.stepper.take(self.step, request)
        self.losses.append(taken.terms["loss"])
        self.stop = taken.stop
        speed = taken.images / (time.perf_counter() - began)
        return {
            **taken.terms,
            "learning_rate": taken.learning_rate,
            **taken.norms,
            "images_per_second": round(speed, 1),
        }

    def keep_state(self) -> None:
        """Saves where it is due; after a request to stop saves and stops."""
        done, recipe = self.step, self.recipe
        if done == recipe.steps:
            return
        due = recipe.save_every and done % recipe.save_every == 0
        if (due or self.stop) and self.fabric.is_global_zero:
            self.saved.save(self.learner, self.stepper.optimiser, self.losses)
        if self.stop:
            self.fabric.barrier()  # a rank that ends early would have the writing one killed
            raise KeyboardInterrupt(
                f"stopped after {done} of {recipe.steps} steps; {self.saved.how_to_go_on()}"
            )

    def _check_ranks(self) -> None:
        """Every rank must have found the same state."""
        first = self.fabric.broadcast(self.step)
        if first != self.step:
            raise ValueError(
                f"finetune: rank {self.fabric.global_rank} found the state of {self.step} steps, "
                f"rank 0 of {first}; expected the same; put `out` on storage that all ranks share"
            )


@contextmanager
def _open(
    loggers: Sequence[Logger], start: int, settings: Mapping[str, Any]
) -> Iterator[Sequence[Logger]]:
    """The loggers, open inside the block and closed after it."""
    with ExitStack() as stack:
        for logger in loggers:
            logger.open(start=start, settings=settings)
            stack.callback(logger.close)
        yield loggers
