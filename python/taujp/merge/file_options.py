"""The options that only a merge of files has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

FILE_OPTIONS = (
    "overwrite",
    "progress",
    "threads",
    "donor",
    "sha256",
    "shard_size",
    "ranks",
    "device",
)


def split_file_options(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """These options, and the others."""
    here = {key: value for key, value in options.items() if key in FILE_OPTIONS}
    return here, {key: value for key, value in options.items() if key not in FILE_OPTIONS}
