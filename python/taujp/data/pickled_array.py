"""Reads a gzipped pickle that holds one NumPy array and runs nothing that it may contain."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# The three globals a pickled array of numbers needs, under the names of NumPy 1 and 2.
_ALLOWED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}


class ArrayUnpickler(pickle.Unpickler):
    """Finds only what a NumPy array needs; `encoding` as for pickle.load."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(
                f"the pickle asks for {module}.{name}; expected only a NumPy array; do not trust it"
            )
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def read_pickled_array(path: Path) -> NDArray[Any]:
    """The array of a gzipped pickle; anything else in it is an error that names it."""
    with gzip.open(path, "rb") as file:
        try:
            array = ArrayUnpickler(file).load()
        except pickle.UnpicklingError as error:
            raise ValueError(f"read_pickled_array: '{path.name}': {error}") from error
    if not isinstance(array, np.ndarray) or array.dtype.hasobject:
        raise ValueError(
            f"read_pickled_array: '{path.name}' holds {type(array).__name__}; expected an array "
            "of numbers; install the package again"
        )
    return array
