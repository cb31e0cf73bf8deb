"""Pickles as Python 2 wrote them: byte strings, and arrays of numpy 1."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np


def python2_pickle(value: dict[str, Any]) -> bytes:
    """Protocol 2 of a dict of str, lists of str or int, and uint8 matrices."""
    return b"\x80\x02" + _any(value) + b"."


def _any(value: Any) -> bytes:
    if isinstance(value, dict):
        items = b"".join(_any(key) + _any(item) for key, item in value.items())
        return b"}(" + items + b"u"
    if isinstance(value, list):
        return b"](" + b"".join(map(_any, value)) + b"e"
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, int):
        return b"J" + struct.pack("<i", value)
    return b"T" + struct.pack("<i", len(value)) + value.encode("latin1")


def _array(value: np.ndarray) -> bytes:
    empty = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n" + _any(0) + b"\x85"
    dtype = b"cnumpy\ndtype\n" + _any("u1") + _any(0) + _any(1) + b"\x87R"
    dtype += b"(" + _any(3) + _any("|") + b"NNN" + _any(-1) + _any(-1) + _any(0) + b"tb"
    rows, columns = value.shape
    shape = _any(rows) + _any(columns) + b"\x86"
    content = b"T" + struct.pack("<i", value.nbytes) + value.tobytes()
    return empty + _any("b") + b"\x87R(" + _any(1) + shape + dtype + b"\x89" + content + b"tb"
