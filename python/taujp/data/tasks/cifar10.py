"""CIFAR-10: ten kinds of objects and animals, 32 x 32."""

from __future__ import annotations

from pathlib import Path

from taujp.data.cifar_templates import CIFAR_TEMPLATES
from taujp.data.layouts.cifar import CIFAR10, cifar_layout
from taujp.data.splits import RawSplits
from taujp.data.task import task

CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)


@task(
    "cifar10",
    classes=CLASSES,
    templates=CIFAR_TEMPLATES,
    counts=(45000, 5000, 10000),
    hub="uoft-cs/cifar10",
)
def cifar10(root: Path) -> RawSplits:
    """cifar-10-batches-py at the root."""
    return cifar_layout(root, CIFAR10, CLASSES)
