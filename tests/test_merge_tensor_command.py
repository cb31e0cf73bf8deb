"""Whole-tensor methods from the command line, and what their outputs say of themselves."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file

import taujp
from stream_files import save


def test_the_header_says_method_and_options(tmp_path: Path) -> None:
    base, *ckpts = save(tmp_path, 3)
    out = tmp_path / "o.safetensors"
    taujp.merge_many(ckpts, [1, 1], base, method="model_stock", by="row", out=out)
    with safe_open(out, "pt") as file:
        said = json.loads(file.metadata()["taujp"])
    assert said["method"] == "model_stock"
    assert said["options"]["by"] == "row"
    prints = {entry["fingerprint"] for entry in [said["base"], *said["inputs"]]}
    assert len(prints) == 3
    plain = tmp_path / "plain.safetensors"
    taujp.merge_many(ckpts, [1, 1], base, out=plain)
    with safe_open(plain, "pt") as file:
        other = json.loads(file.metadata()["taujp"])
    assert prints == {entry["fingerprint"] for entry in [other["base"], *other["inputs"]]}


def test_the_command(tmp_path: Path) -> None:
    _, *ckpts = save(tmp_path, 3)
    out = tmp_path / "o.safetensors"
    pairs = [f"--ckpt={path}={c}" for path, c in zip(ckpts, (0.25, 0.75), strict=True)]
    command = [sys.executable, "-m", "taujp", "merge", *pairs, "--method", "slerp", "-o", str(out)]
    dry = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=True)
    assert "slerp of 2 checkpoints" in dry.stdout
    subprocess.run(command, capture_output=True, check=True)
    expected = taujp.merge_many(ckpts, [0.25, 0.75], method="slerp")
    for key, tensor in load_file(out).items():
        assert torch.equal(tensor, expected[key]), key
    listed = subprocess.run(
        [sys.executable, "-m", "taujp", "methods"], capture_output=True, text=True, check=True
    )
    assert "no base, two checkpoints" in listed.stdout
