"""Rotated digits as a task: trained at four angles at once, tested at another."""

from __future__ import annotations

from pathlib import Path

from taujp.data import rotated_digits as bed
from taujp.data.environments import together
from taujp.data.splits import RawSplits
from taujp.data.task import task


@task("rotated_digits", classes=bed.CLASSES, templates=bed.TEMPLATES)
def rotated_digits(root: Path) -> RawSplits:
    """Training and validation images of the four angles, test images of the unseen one."""
    return together(bed.rotated_digits())
