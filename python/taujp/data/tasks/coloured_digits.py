"""Coloured Digits as a task: trained on all its environments at once, tested where the colour is
reversed."""

from __future__ import annotations

from pathlib import Path

from taujp.data import coloured_digits as bed
from taujp.data.environments import together
from taujp.data.splits import RawSplits
from taujp.data.task import task


@task("coloured_digits", classes=bed.CLASSES, templates=bed.TEMPLATES)
def coloured_digits(root: Path) -> RawSplits:
    """Training and validation images of both environments, test images of the unseen one."""
    return together(bed.coloured_digits())
