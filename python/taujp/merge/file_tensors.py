"""Numbers of a planned tensor as torch tensors: read from files, held in memory, or worked out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from threading import Lock
from types import TracebackType

import torch

from taujp.checkpoint import CheckpointError, Entry, SourceFile
from taujp.checkpoint.computed import work_out_entry
from taujp.checkpoint.entries import COMPUTED, IN_MEMORY
from taujp.checkpoint.lora_change import low_rank_factors

from .adapter_rooms import ChangeRooms
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

    def entry(self, place: Place) -> Entry:
        """What is yet to be worked out."""
        return self._computed[place[1]][1]

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

    def told(self) -> dict[int, torch.Tensor]:
        """By its position what a source that is in no file is known by: its factors, or numbers."""
        sources = enumerate(self.work.sources)
        return {i: self._told(i, place) for i, place in sources if place[0] == COMPUTED}

    def whole(self, rooms: ChangeRooms) -> list[torch.Tensor]:
        """All of every source, flat, on the CPU; what adapters change in the rooms."""
        return [self._whole(i, place, rooms) for i, place in enumerate(self.work.sources)]

    def _whole(self, position: int, place: Place, rooms: ChangeRooms) -> torch.Tensor:
        if place[0] == COMPUTED and position not in self.made:
            change = rooms.change(position, self.opened.entry(place))
            if change is not None:
                return change.reshape(-1)
        return self._held(position, 0, self.work.size)

    def _told(self, position: int, place: Place) -> torch.Tensor:
        factors = None if self.work.copy else low_rank_factors(self.opened.entry(place))
        if factors is None:
            return self._held(position, 0, self.work.size)
        return torch.cat([factor.reshape(-1) for factor in factors])

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
