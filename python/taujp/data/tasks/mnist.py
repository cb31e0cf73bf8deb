"""MNIST: handwritten digits."""

from __future__ import annotations

from pathlib import Path

from taujp.data.layouts.idx import idx_layout
from taujp.data.splits import RawSplits
from taujp.data.task import task

CLASSES = tuple("0123456789")


@task(
    "mnist",
    classes=CLASSES,
    templates=('a photo of the number: "{}".',),
    counts=(55000, 5000, 10000),
    epochs=5,
    hub="ylecun/mnist",
)
def mnist(root: Path) -> RawSplits:
    """MNIST/raw with the four files that torchvision downloads."""
    return idx_layout(root, "MNIST/raw", CLASSES)
