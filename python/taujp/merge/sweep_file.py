"""A sweep as a CSV file: a row for each model, a column for each checkpoint."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence

from .errors import MergeError


def read_sweep(path: str, checkpoints: Sequence[str]) -> list[list[float]]:
    """K rows of N coefficients; a first row may name the checkpoints, in order."""
    try:
        with open(path, newline="") as stream:
            rows = [
                row for row in csv.reader(stream) if row and not row[0].lstrip().startswith("#")
            ]
    except OSError as error:
        raise MergeError(f"--coefs: cannot read {path!r}: {error.strerror}") from error
    if rows and not _is_number(rows[0][0]):
        _check_header(path, [name.strip() for name in rows.pop(0)], checkpoints)
    if not rows:
        raise MergeError(f"--coefs: {path!r} has no rows; expected one for each model")
    return [_numbers(path, line, row, len(checkpoints)) for line, row in enumerate(rows, start=1)]


def _check_header(path: str, names: list[str], checkpoints: Sequence[str]) -> None:
    known = [os.path.basename(c.rstrip("/")) for c in checkpoints]
    stems = [name.removesuffix(".safetensors") for name in known]
    if names not in (list(checkpoints), known, stems):
        raise MergeError(
            f"--coefs: {path!r} names {names}; the checkpoints are, in this order, {stems}"
        )


def _numbers(path: str, line: int, row: list[str], n: int) -> list[float]:
    if len(row) != n or not all(map(_is_number, row)):
        raise MergeError(f"--coefs: {path!r}, row {line} is {row}; expected {n} numbers")
    return [float(cell) for cell in row]


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
