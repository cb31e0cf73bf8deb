"""Pieces of work that one thread does about as fast as many: several at once, one thread each."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")
Piece = tuple[int, Callable[[], Result]]  # its elements, and the work

# Elements of all pieces that are under way; a larger one is alone and gets all threads. So what a
# whole-tensor method holds is bounded, whatever the number of threads.
ELEMENTS = 1 << 23


def side_by_side(pieces: Iterable[Piece[Result]], at_once: int) -> Generator[Result, None, None]:
    """The results in order; pieces are taken from the iterable as their turn comes."""
    if at_once == 1:
        yield from (work() for _, work in pieces)
        return
    import torch

    threads = torch.get_num_threads()
    waiting: deque[tuple[int, Future[Result]]] = deque()
    pool = ThreadPoolExecutor(at_once, initializer=torch.set_num_threads, initargs=(1,))
    try:
        for size, work in pieces:
            while waiting and (_sizes(waiting) + size > ELEMENTS or len(waiting) >= 2 * at_once):
                yield waiting.popleft()[1].result()
            if size <= ELEMENTS:
                waiting.append((size, pool.submit(work)))
                continue
            torch.set_num_threads(threads)
            yield work()
            torch.set_num_threads(1)  # of the libraries, which do not tell threads apart
        while waiting:
            yield waiting.popleft()[1].result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _sizes(waiting: Iterable[tuple[int, object]]) -> int:
    return sum(size for size, _ in waiting)
