"""Sizes as people write them: 5GB, 500MB, 4GiB, 1000000."""

from __future__ import annotations

import argparse
import re

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def byte_size(text: str) -> int:
    """Bytes; for argparse."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]i?)?b?", text.strip().lower())
    size = int(float(found[1]) * {**_UNITS, **_BINARY}[found[2] or ""]) if found else 0
    if size < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; expected e.g. 5GB or 500MB")
    return size
