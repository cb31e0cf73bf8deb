"""Street View House Numbers: digits cut out of photos."""

from __future__ import annotations

from pathlib import Path

from taujp.data.layouts.house_numbers import house_numbers_layout
from taujp.data.splits import RawSplits
from taujp.data.task import task

CLASSES = tuple("0123456789")


@task(
    "svhn",
    classes=CLASSES,
    templates=('a photo of the number: "{}".',),
    counts=(68257, 5000, 26032),
    epochs=4,
    hub="ufldl-stanford/svhn:cropped_digits",
)
def svhn(root: Path) -> RawSplits:
    """svhn/{train,test}_32x32.mat."""
    return house_numbers_layout(root, "svhn", CLASSES)
