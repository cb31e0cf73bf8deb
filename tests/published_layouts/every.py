"""Every task's generators by the task's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from published_layouts import (
    cars,
    cifar,
    dtd,
    eurosat,
    gtsrb,
    imagenet,
    mnist,
    resisc45,
    stl10,
    sun397,
    svhn,
)

Write = Callable[..., Any]


@dataclass(frozen=True)
class Published:
    """`raw(folder)` and `earlier(root)` write the data set small; `counts` are what a task reads
    from the earlier layout: train, validation, test."""

    raw: Write
    earlier: Write
    counts: tuple[int, int, int]


def _held_out(train: int, test: int) -> tuple[int, int, int]:
    return train - train // 10, train // 10, test


PUBLISHED = {
    "cars": Published(cars.raw, cars.earlier, _held_out(392, 196)),
    "cifar10": Published(cifar.raw10, cifar.raw10, _held_out(50, 20)),
    "cifar100": Published(cifar.raw100, cifar.raw100, _held_out(200, 100)),
    "dtd": Published(dtd.raw, dtd.earlier, _held_out(94, 47)),
    "eurosat": Published(eurosat.raw, eurosat.earlier, (40, 10, 10)),
    "gtsrb": Published(gtsrb.raw, gtsrb.earlier, _held_out(86, 43)),
    "imagenet": Published(imagenet.raw, imagenet.earlier, _held_out(1000, 1000)),
    "mnist": Published(mnist.raw, mnist.earlier, _held_out(40, 20)),
    "resisc45": Published(resisc45.raw, resisc45.earlier, _held_out(135, 45)),
    "stl10": Published(stl10.raw, stl10.earlier, _held_out(20, 10)),
    "sun397": Published(sun397.raw, sun397.earlier, _held_out(794, 397)),
    "svhn": Published(svhn.raw, svhn.earlier, _held_out(40, 20)),
}
