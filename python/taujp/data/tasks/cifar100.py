"""CIFAR-100: a hundred kinds of objects and living things, 32 x 32, by their fine labels."""

from __future__ import annotations

from pathlib import Path

from taujp.data.cifar_templates import CIFAR_TEMPLATES
from taujp.data.class_lists import read_classes
from taujp.data.layouts.cifar import CIFAR100, cifar_layout
from taujp.data.splits import RawSplits
from taujp.data.task import task

NAMES = read_classes("cifar100")


@task(
    "cifar100",
    classes=tuple(name.replace("_", " ") for name in NAMES),
    templates=CIFAR_TEMPLATES,
    counts=(45000, 5000, 10000),
    hub="uoft-cs/cifar100",
    file_classes=NAMES,
)
def cifar100(root: Path) -> RawSplits:
    """cifar-100-python at the root."""
    return cifar_layout(root, CIFAR100, NAMES)
