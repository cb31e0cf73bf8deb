"""One file a raw download: how it unpacks, and how it is split. The rest are read by their layouts.

Each has `read(folder, task, seed) -> RawSplits | None`; None where that download is not in
`folder`. Images are ordered as torchvision's ImageFolder would order them once they lie in one
folder a class, so that held-out validation images are those of the earlier code.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from taujp.data.sources import dtd, eurosat, imagenet, resisc45, sun397
from taujp.data.splits import RawSplits
from taujp.data.task import Task

Source: TypeAlias = Callable[[Path, Task, int], RawSplits | None]

SOURCES: dict[str, Source] = {
    "dtd": dtd.read,
    "eurosat": eurosat.read,
    "imagenet": imagenet.read,
    "resisc45": resisc45.read,
    "sun397": sun397.read,
}
