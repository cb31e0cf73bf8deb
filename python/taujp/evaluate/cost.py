"""Time and memory of a block of work."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from taujp.evaluate.record import Cost

_PROCESS = Path("/proc/self")


class Measurement:
    """`cost` is there after the block."""

    cost: Cost

    def __init__(self, device: torch.device) -> None:
        self.device, self.peak = device, 0

    def note_peak(self) -> None:
        """Takes in the highest use of memory since the counter last began anew."""
        self.peak = max(self.peak, _peak(self.device))


_open: list[Measurement] = []  # blocks may lie in one another; they share the system's one counter


@contextmanager
def measured(device: str | torch.device = "cpu") -> Iterator[Measurement]:
    """`with measured() as measurement: ...`, then `measurement.cost`.

    On Linux and on a GPU the peak is that of the block; elsewhere that of the process so far.
    """
    measurement = Measurement(torch.device(device))
    _begin_anew(measurement.device)
    _open.append(measurement)
    started = time.perf_counter()
    try:
        yield measurement
    finally:
        if measurement.device.type == "cuda":
            torch.cuda.synchronize(measurement.device)
        seconds = time.perf_counter() - started
        measurement.note_peak()
        _open.remove(measurement)
        peak = measurement.peak or None
        measurement.cost = Cost(seconds, peak, _name(measurement.device))


def _begin_anew(device: torch.device) -> None:
    """Sets the counter of the highest use to the present one, after open blocks have read it."""
    for outer in _open:
        outer.note_peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return
    with suppress(OSError):
        (_PROCESS / "clear_refs").write_text("5")


def _peak(device: torch.device) -> int:
    """Bytes; 0 where the system does not say."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    with suppress(OSError, StopIteration):
        lines = (_PROCESS / "status").read_text().splitlines()
        found = next(line for line in lines if line.startswith("VmHWM:"))
        return int(found.split()[1]) * 1024
    with suppress(ImportError):
        import resource

        highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return highest * (1 if sys.platform == "darwin" else 1024)
    return 0


def _name(device: torch.device) -> str:
    """The GPU's name, or "cpu" with the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' * (threads > 1)}"
