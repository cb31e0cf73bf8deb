"""Runs in mergekit's interpreter: its in-memory TIES over a folder's files; prints seconds."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch
from mergekit.merge_methods import merge_state_dicts
from safetensors.torch import load_file, save_file


def main() -> None:
    folder, coefs = Path(sys.argv[1]), [float(c) for c in sys.argv[2:]]
    models = {str(i): load_file(folder / f"{i}.safetensors") for i in range(len(coefs) + 1)}
    # Read now: safetensors maps files, and the disk is not what is measured.
    for model in models.values():
        for name, tensor in model.items():
            model[name] = tensor.clone()
    parameters = {"weight": {str(i + 1): c for i, c in enumerate(coefs)}, "density": 0.2}
    best = float("inf")
    with torch.no_grad():
        for _ in range(2):
            start = time.perf_counter()
            merged = merge_state_dicts(models, "ties", base="0", parameters=parameters)
            best = min(best, time.perf_counter() - start)
    save_file(merged, folder / "merged.safetensors")
    print("mergekit in memory, seconds:", best)


if __name__ == "__main__":
    main()
