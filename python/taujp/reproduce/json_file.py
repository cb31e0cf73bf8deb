"""A small JSON file that is whole or not there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from taujp.whole_file import write_whole


def write_json(content: Any, path: Path) -> Path:
    """Indented; OSError names the file where it cannot be written."""
    return write_whole(json.dumps(content, indent=1) + "\n", path, "reproduce")
