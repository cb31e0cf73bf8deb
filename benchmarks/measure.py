"""Time, bandwidth and memory, measured the same way by every benchmark."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

PAGE = 2**20


def seconds(work: Callable[[], object], *, repeats: int = 5, warmups: int = 1) -> float:
    """The best of `repeats` runs: what the machine can do when nothing else interferes."""
    for _ in range(warmups):
        work()
    return min(once(work) for _ in range(repeats))


def once(work: Callable[[], object]) -> float:
    """One run in seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def interleaved(
    works: dict[str, Callable[[], object]], *, repeats: int = 5, warmups: int = 1
) -> dict[str, float]:
    """The best of each, taken in turns, so that a busy spell of the machine meets all of them."""
    best = dict.fromkeys(works, float("inf"))
    for turn in range(warmups + repeats):
        for name, work in works.items():
            taken = once(work)
            if turn >= warmups:
                best[name] = min(best[name], taken)
    return best


def copies(nbytes: int = 640_000_000) -> dict[str, Callable[[], object]]:
    """Ways to copy so many bytes: torch's, and memcpy in all threads."""
    import torch

    source = torch.ones(nbytes // 4)
    target = torch.ones(nbytes // 4)
    parts = torch.get_num_threads()
    pieces = list(zip(target.chunk(parts), source.chunk(parts), strict=True))

    def by_threads() -> None:
        workers = [threading.Thread(target=memory_copy, args=piece) for piece in pieces]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    return {"copy, torch": lambda: target.copy_(source), "copy, memcpy": by_threads}


def bandwidth_of(best: dict[str, float], nbytes: int = 640_000_000) -> float:
    """Bytes read + written a second by the faster of `copies`, from their best times."""
    return 2 * nbytes / min(seconds for name, seconds in best.items() if name.startswith("copy, "))


def memory_copy(target, source) -> None:  # type: ignore[no-untyped-def]
    """The C library's memcpy, without the interpreter's lock."""
    import ctypes

    ctypes.memmove(target.data_ptr(), source.data_ptr(), source.numel() * source.element_size())


@dataclass(frozen=True)
class Ran:
    """A command that ended: wall seconds, and the most anonymous memory it held."""

    seconds: float
    anonymous: int
    returncode: int
    output: str


def run_command(
    command: Sequence[str], *, timeout: float = 3600, environment: dict[str, str] | None = None
) -> Ran:
    """Runs it, sampling its RssAnon every 5 ms."""
    start = time.perf_counter()
    process = subprocess.Popen(
        list(command),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **(environment or {})},
    )
    lines: list[str] = []
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
    reader.start()
    most = 0
    while process.poll() is None:
        most = max(most, anonymous_memory(process.pid))
        if time.perf_counter() - start > timeout:
            process.kill()
        time.sleep(0.005)
    taken = time.perf_counter() - start
    reader.join()
    return Ran(taken, most, process.returncode, "".join(lines))


def anonymous_memory(pid: int) -> int:
    """Bytes of memory that belong to no file, now."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def read_all(paths: Sequence[Path], buffer: int = 4 * PAGE) -> int:
    """Reads the files through one buffer; returns the bytes."""
    total, space = 0, bytearray(buffer)
    for path in paths:
        with open(path, "rb", buffering=0) as file:
            while count := file.readinto(space):
                total += count
    return total


def write_bytes(path: Path, nbytes: int, buffer: int = 4 * PAGE) -> None:
    """Writes a new file of that size."""
    block = os.urandom(buffer)
    with open(path, "wb", buffering=0) as file:
        while nbytes > 0:
            nbytes -= file.write(block[: min(buffer, nbytes)])
