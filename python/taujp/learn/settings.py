"""What `adamerging` is asked for, looked at before anything is read or learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from taujp.merge.coefficients import LARGEST
from taujp.merge.errors import MergeError
from taujp.merge.recipe import one_number, one_of, seed_of

BY: dict[str | None, str] = {name: name for name in ("task", "layer", "tensor")}
SPLITS: dict[str | None, str] = {name: name for name in ("test", "validation", "train")}
LEAST = {"steps": 0, "batch_size": 1, "save_every": 1}


def check_settings(asked: Mapping[str, Any], out: str | Path | None) -> None:
    """MergeError for settings of `adamerging` that make no sense, or a folder as its file."""
    try:
        _check(asked)
    except MergeError as error:
        raise MergeError(f"adamerging: {error}") from error
    if out is not None and Path(out).is_dir():
        raise MergeError(f"adamerging: out {str(out)!r} is a folder; expected a JSON file's path")


def _check(asked: Mapping[str, Any]) -> None:
    one_of("by", asked["by"], BY)
    one_of("split", asked["split"], SPLITS)
    for option, least in LEAST.items():
        value = asked[option]
        if not isinstance(value, int) or value < least:
            raise MergeError(f"{option} is {value!r}; expected a whole number, at least {least}")
    seed_of(asked["seed"])
    one_number("start", asked["start"], -LARGEST)
    one_number("learning_rate", asked["learning_rate"], 0.0)
    clamp, trim = asked["clamp"], asked["trim"]
    if clamp is not None:
        pair = isinstance(clamp, Sequence) and len(clamp) == 2
        if not pair or not clamp[0] < clamp[1]:
            raise MergeError(f"clamp is {clamp!r}; expected (least, most), or None")
    if trim is not None and not one_number("trim", trim, 0.0, 1.0):
        raise MergeError(f"trim is {trim!r}; expected a share in (0, 1], or None")
