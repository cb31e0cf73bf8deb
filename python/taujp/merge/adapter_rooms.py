"""Memory for adapters' changes that one parameter after the other uses.

To hand out fresh memory costs the system more than the products that fill it (measured: 3 ns for
an element against 1.4 ns), which is most of what merging adapters would take.
"""

from __future__ import annotations

import threading

import torch

from taujp.checkpoint import Entry
from taujp.checkpoint.lora_change import low_rank_factors, write_product


class ChangeRooms(threading.local):
    """A room for each source of a parameter; every thread has its own."""

    def __init__(self) -> None:
        self._rooms: dict[int, torch.Tensor] = {}

    def change(self, source: int, entry: Entry) -> torch.Tensor | None:
        """What an adapter changes, fp32 in the entry's shape; None for any other entry.

        It stands until the same source is asked for again.
        """
        factors = low_rank_factors(entry)
        if factors is None:
            return None
        if source not in self._rooms or self._rooms[source].numel() < entry.size:
            self._rooms[source] = torch.empty(entry.size)
        room = self._rooms[source][: entry.size].view(entry.shape)
        write_product(factors, room)
        return room
