"""Reads MATLAB .mat files (up to version 7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from taujp.data.layouts.needed import damaged, needed


def read_matlab(root: Path, file: str, variable: str) -> Any:
    """One variable of a .mat file, as scipy gives it with squeeze_me."""
    path = needed(root, file)
    try:
        from scipy.io import loadmat
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"read_matlab: '{file}' needs scipy, which is not installed; run pip install scipy"
        ) from error
    try:
        content = loadmat(str(path), squeeze_me=True, variable_names=[variable])
    except Exception as error:  # scipy raises many kinds of errors for a cut file
        raise damaged(file, f"cannot be read ({error})", "a whole MATLAB file") from error
    if variable not in content:
        raise damaged(file, "cannot be used", f"a variable '{variable}'")
    return content[variable]
