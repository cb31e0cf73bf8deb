"""How many processes or threads a person asks for: not more than any machine can hold."""

from __future__ import annotations

import argparse

MOST = 1024


def process_count(text: str) -> int:
    """A whole number from 0 to 1024."""
    try:
        count = int(text)
    except ValueError:
        count = -1
    if not 0 <= count <= MOST:
        raise argparse.ArgumentTypeError(f"'{text}': expected a whole number from 0 to {MOST}")
    return count
