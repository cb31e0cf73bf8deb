"""Steps one after another, or side by side in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from typing import Any, TypeAlias

from taujp.reproduce.setups import Setup
from taujp.reproduce.world import Place, World

Step: TypeAlias = tuple[Callable[..., Any], tuple[Any, ...]]  # function(world, *arguments)
Run: TypeAlias = Callable[[Iterable[Step]], Iterator[tuple[Any, ...]]]

_worlds: list[World] = []  # of a worker process: its one world


@dataclass(frozen=True)
class Workers:
    """How many processes, and how many threads each."""

    jobs: int = 1
    threads: int | None = None


@contextmanager
def runner(setup: Setup, place: Place, workers: Workers) -> Iterator[Run]:
    """`run(steps)` does every step and yields each one's arguments when it is done.

    With one job in this process; with more in processes that load the model once each, on the
    GPUs in turn where `place.device` is "cuda". The first error ends all of it, after the steps
    that are under way.
    """
    if workers.jobs == 1:
        _use(workers.threads)
        yield partial(_here, World(setup, place))
        return
    context = get_context("spawn")
    numbers = context.SimpleQueue()
    for number in range(workers.jobs):
        numbers.put(number)
    pool = ProcessPoolExecutor(
        workers.jobs, context, _begin, (setup, place, workers.threads or 1, numbers)
    )
    try:
        yield partial(_there, pool)
    finally:
        pool.shutdown(cancel_futures=True)


def _here(world: World, steps: Iterable[Step]) -> Iterator[tuple[Any, ...]]:
    for function, arguments in steps:
        function(world, *arguments)
        yield arguments


def _there(pool: ProcessPoolExecutor, steps: Iterable[Step]) -> Iterator[tuple[Any, ...]]:
    given: dict[Future[Any], tuple[Any, ...]] = {
        pool.submit(_do, function, arguments): arguments for function, arguments in steps
    }
    try:
        for done in as_completed(given):
            done.result()
            yield given[done]
    finally:
        for one in given:
            one.cancel()


def _begin(setup: Setup, place: Place, threads: int, numbers: Any) -> None:
    """In a new worker."""
    import torch

    _use(threads)
    number = numbers.get()
    if place.device == "cuda":
        place = replace(place, device=f"cuda:{number % torch.cuda.device_count()}")
    _worlds.append(World(setup, place))


def _do(function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    function(_worlds[0], *arguments)


def _use(threads: int | None) -> None:
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
