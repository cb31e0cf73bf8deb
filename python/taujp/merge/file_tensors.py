"""Numbers of a planned tensor as torch tensors: read from files, held in memory, or worked out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from threading import Lock
from types import TracebackType

import torch

from taujp.checkpoint import CheckpointError, SourceFile
from taujp.checkpoint.computed import work_out_entry
from taujp.checkpoint.entries import COMPUTED, IN_MEMORY

from .file_plan import FilePlan, Work
from .file_sources import Place

DTYPES = (torch.float32, torch.float16, torch.bfloat16)  # by the kernels' numbers of them


class OpenInputs:
    """The plan's input files, open: `with OpenInputs(plan) as inputs`.

    Reads are positional and copy, so that a file cut short meanwhile is an error, not a crash.
    """

    def __init__(self, plan: FilePlan) -> None:
        self._files = plan.inputs
        self._computed = plan.computed
        self._kept = {tensor.data_ptr(): tensor for tensor in _as_bytes(plan.kept)}
        self._descriptors: dict[int, int] = {}
        self._opening = Lock()  # several threads may read

    def __enter__(self) -> OpenInputs:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for descriptor in self._descriptors.values():
            os.close(descriptor)

    def read(self, place: Place, first: int, count: int) -> torch.Tensor:
        """Elements [first, first + count) of what begins at that place."""
        file, offset, width, number = place
        if file == IN_MEMORY:
            flat = self._kept[offset][first * width : (first + count) * width]
            return flat.view(DTYPES[number])
        room = torch.empty(count, dtype=DTYPES[number])
        if count:
            self._fill(file, room.view(torch.uint8).numpy().data, offset + first * width)
        return room

    def made(self, place: Place) -> torch.Tensor:
        """All elements of what is yet to be worked out, flat."""
        label, entry = self._computed[place[1]]
        return work_out_entry(label, entry).reshape(-1)

    def _fill(self, file: int, room: memoryview, offset: int) -> None:
        with self._opening:
            if file not in self._descriptors:
                self._descriptors[file] = os.open(self._files[file].path, os.O_RDONLY)
        done = 0
        while done < len(room):
            got = os.preadv(self._descriptors[file], [room[done:]], offset + done)
            if got == 0:
                raise _cut_short(self._files[file])
            done += got


@dataclass(frozen=True)
class PlannedInputs:
    """`Inputs` of one planned tensor on the plan's device; `made` keeps what was worked out."""

    opened: OpenInputs
    work: Work
    device: str = "cpu"
    made: dict[int, torch.Tensor] = field(default_factory=dict)

    def __call__(self, position: int, first: int, count: int) -> torch.Tensor:
        return self._held(position, first, count).to(self.device)

    def worked_out(self) -> dict[int, torch.Tensor]:
        """By its position what is in no file; a method may do without, a fingerprint does not."""
        for position, place in enumerate(self.work.sources):
            if place[0] == COMPUTED:
                self(position, 0, 0)
        return self.made

    def whole(self) -> list[torch.Tensor]:
        """All of every source, flat, on the CPU."""
        return [self._held(i, 0, self.work.size) for i in range(len(self.work.sources))]

    def _held(self, position: int, first: int, count: int) -> torch.Tensor:
        place = self.work.sources[position]
        if place[0] != COMPUTED:
            return self.opened.read(place, first, count)
        if position not in self.made:
            self.made[position] = self.opened.made(place)
        return self.made[position][first : first + count]


def _as_bytes(kept: tuple[object, ...]) -> list[torch.Tensor]:
    """What the plan holds on to as bytes, 1-D; of those that begin alike the longest last."""
    tensors = [k if isinstance(k, torch.Tensor) else torch.from_numpy(k) for k in kept]
    flat = [tensor.reshape(-1).view(torch.uint8) for tensor in tensors]
    return sorted(flat, key=lambda tensor: tensor.numel())


def _cut_short(file: SourceFile) -> CheckpointError:
    return CheckpointError(
        f"merge: {file.path!r} changed while it was read: it had {file.size} bytes and is "
        f"truncated now; let whatever writes it finish, then start again"
    )
