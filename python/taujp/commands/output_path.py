"""Where a command writes; for argparse."""

from __future__ import annotations

import argparse
from pathlib import Path


def output_text(text: str) -> str:
    """The path as it was typed; an empty one, as of an unset variable, is refused."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the output path is empty; expected a name to write to")
    return text


def output_path(text: str) -> Path:
    """The same as a Path."""
    return Path(output_text(text))
