"""Runs in mergekit's interpreter: merges a folder's files by one method after another, in memory.

peer_methods.py FOLDER: reads FOLDER/cases.json, [{name, method, models, base, parameters}], where
models are numbers of files; writes FOLDER/NAME.safetensors; prints a JSON object of seconds.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from mergekit.merge_methods import merge_state_dicts
from safetensors.torch import load_file, save_file


def main() -> None:
    folder = Path(sys.argv[1])
    cases = json.loads((folder / "cases.json").read_text())
    files = {i for case in cases for i in case["models"]}
    # Read now: safetensors maps files, and the disk is not what is measured.
    states = {
        i: {n: t.clone() for n, t in load_file(folder / f"{i}.safetensors").items()} for i in files
    }
    found = {}
    with torch.no_grad():
        for case in cases:
            models = {str(place): states[i] for place, i in enumerate(case["models"])}
            found[case["name"]], merged = timed(models, case)
            merged = {name: tensor.contiguous() for name, tensor in merged.items()}
            save_file(merged, folder / f"{case['name']}.safetensors")
    print(json.dumps(found))


def timed(models: dict[str, Any], case: dict[str, Any]) -> tuple[float, dict[str, Any]]:
    """The better of two runs, and what it merged."""
    best, merged = float("inf"), {}
    for _ in range(2):
        start = time.perf_counter()
        merged = merge_state_dicts(
            models,
            case["method"],
            base="0" if case["base"] else None,
            parameters=case["parameters"],
        )
        best = min(best, time.perf_counter() - start)
    return best, merged


if __name__ == "__main__":
    main()
