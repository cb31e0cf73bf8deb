"""Whole-tensor methods from the command line, and what their outputs say of themselves."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import taujp
from stream_files import save
from taujp.commands.byte_size import byte_size


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


def test_a_method_with_weights_of_its_own_takes_paths_alone(tmp_path: Path) -> None:
    base, *ckpts = save(tmp_path, 3)
    words = ["--base", str(base), "--method", "model_stock", "-o", str(tmp_path / "o.safetensors")]
    command = [sys.executable, "-m", "taujp", "merge", *words]
    flags = [f"--ckpt={ckpts[0]}", f"--ckpt={ckpts[1]}=1"]
    subprocess.run([*command, *flags], check=True)
    expected = taujp.merge_many(ckpts, [1, 1], base, method="model_stock")
    found = load_file(tmp_path / "o.safetensors")
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())
    flags[1] = f"--ckpt={ckpts[1]}=0.5"
    refused = subprocess.run([*command, *flags], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "finds its own weights: coefs must all be 1" in refused.stderr


def test_shard_sizes_as_people_write_them() -> None:
    for text, size in {"5GB": 5 * 10**9, "1.5 MiB": 3 * 2**19, "77": 77, "2k": 2000}.items():
        assert byte_size(text) == size
    for text in ("", "0", "five", "5 tons", "-1"):
        with pytest.raises(argparse.ArgumentTypeError, match=r"expected e\.g\. 5GB"):
            byte_size(text)
