"""Errors for files that a published layout must have, and for what is wrong in them."""

from __future__ import annotations

from pathlib import Path

from taujp.data.class_index import normalised


def needed(root: Path, file: str) -> Path:
    """root / file; a missing one is an error that says where it was looked for."""
    path = root / file
    if not path.exists():
        raise FileNotFoundError(
            f"layout: '{file}' is missing under '{root}'; expected the data set's published files "
            "there; unpack its archive again, or give the right --root"
        )
    return path


def check_names(file: str, found: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Compares the class names in a file, in the order of its labels, with the task's.

    Case, spaces and hyphens may differ. The first class that is another is an error.
    """
    if len(found) != len(expected):
        raise ValueError(
            f"layout: '{file}' names {len(found)} classes; expected {len(expected)}, the last of "
            f"them '{expected[-1]}'; unpack the data set's archive again"
        )
    for label, (name, right) in enumerate(zip(found, expected, strict=True)):
        if normalised(name) != normalised(right):
            raise ValueError(
                f"layout: '{file}' calls class {label} '{name}'; expected '{right}', so its "
                "labels mean other classes; unpack the data set's archive again"
            )


def check_labels(file: str, labels: list[int], classes: int) -> list[int]:
    """The labels, which must count from 0 to classes - 1."""
    wrong = {label for label in labels if not 0 <= label < classes}
    if wrong:
        raise ValueError(
            f"layout: '{file}' has the labels {sorted(wrong)[:5]} (counted from 0); expected 0 to "
            f"{classes - 1}; unpack the data set's archive again"
        )
    return labels


def damaged(file: str, found: str, expected: str) -> ValueError:
    """The error of a file that is cut or is something else."""
    return ValueError(
        f"layout: '{file}' {found}; expected {expected}; the file is damaged or another one: "
        "download it again"
    )
