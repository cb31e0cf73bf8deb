"""Digests of checkpoints, versions, the command, and the cost of a block."""

from __future__ import annotations

import mmap
import os
import sys

import pytest
import torch
from safetensors.torch import save_file

from taujp.evaluate.cost import measured
from taujp.evaluate.provenance import checkpoint_digest, provenance_of, without_folders


def test_a_digest_depends_on_numbers_alone(tmp_path):
    state = {"b": torch.arange(6.0).reshape(2, 3), "a": torch.ones(4, dtype=torch.bfloat16)}
    save_file(state, tmp_path / "a.safetensors", metadata={"taujp": "told"})
    torch.save(dict(reversed(state.items())), tmp_path / "a.pt")
    whole = checkpoint_digest(state)
    assert checkpoint_digest(tmp_path / "a.safetensors") == whole
    assert checkpoint_digest(str(tmp_path / "a.pt")) == whole
    assert len(whole) == 16
    others = [
        {**state, "a": torch.zeros(4, dtype=torch.bfloat16)},
        {**state, "b": state["b"].reshape(3, 2)},
        {"c": state["b"], "a": state["a"]},
        {"a": state["a"]},
        {**state, "b": state["b"].to(torch.int32).view(torch.float32)},
    ]
    assert len({whole, *map(checkpoint_digest, others)}) == 6


def test_provenance_says_what_is_installed_and_not_where_things_lie(tmp_path):
    command = ["taujp", "eval", "--root", str(tmp_path), "--checkpoints", "a=/x/y/a.pt", "-o=../b"]
    found = provenance_of("demo", {"a": {"w": torch.ones(2)}}, way="w", seed=1, command=command)
    assert found.command == f"taujp eval --root {tmp_path.name} --checkpoints a=a.pt -o=b"
    assert found.software["torch"] == torch.__version__.split("+")[0]
    assert {"taujp", "python", "numpy"} <= set(found.software)
    assert found.checkpoints == {"a": checkpoint_digest({"w": torch.ones(2)})}
    assert found.created.endswith("+00:00")
    assert provenance_of("demo", {}).command == ""
    assert provenance_of(str(tmp_path), {}).model == tmp_path.name
    assert provenance_of("hf-hub:a/b", {}).model == "hf-hub:a/b"


@pytest.mark.parametrize("program", ["/x/bin/taujp", "/x/taujp/__main__.py", "taujp"])
def test_what_was_typed_is_told_of_the_command_alone(program, monkeypatch):
    monkeypatch.setattr(sys, "argv", [program, "eval", "addition", "--root", "/x/data"])
    assert provenance_of("demo", {}).command == "taujp eval addition --root data"
    monkeypatch.setattr(sys, "argv", ["/x/script.py", "--secret"])
    assert provenance_of("demo", {}).command == ""


@pytest.mark.parametrize(
    ("word", "kept"),
    [
        ("/a/b/c", "c"),
        ("a,b", "a,b"),
        ("x=/a/b", "x=b"),
        ("../r", "r"),
        ("C:\\d\\e", "C:e"),
        ("/a/", "a/"),
    ],
)
def test_folders_are_left_out_of_commands(word, kept):
    assert without_folders(["taujp", word]) == f"taujp {kept}"


def test_the_cost_of_a_block_is_its_own():
    with measured() as whole:
        with measured() as large, mmap.mmap(-1, 160_000_000) as fresh:  # an allocator may reuse
            fresh[::4096] = bytes(len(range(0, len(fresh), 4096)))
        with measured() as small:
            torch.ones(10)
    assert whole.cost.seconds >= large.cost.seconds + small.cost.seconds
    assert whole.cost.peak_memory_bytes >= large.cost.peak_memory_bytes
    assert large.cost.device.startswith("cpu, ")
    if os.path.exists("/proc/self/clear_refs"):
        assert large.cost.peak_memory_bytes > small.cost.peak_memory_bytes + 100_000_000


def test_the_cost_is_there_after_an_error():
    def fails():
        with measured() as measurement:
            raise RuntimeError(measurement)

    with pytest.raises(RuntimeError) as error:
        fails()
    assert error.value.args[0].cost.seconds > 0
