"""Adapters by their paths: of the merge's base, as BASE+ADAPTER, and what a wrong path says."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import load_file

import taujp
from adapted_decoder import MODULES, decoder, saved
from adapters import on_modules, write_adapter
from taujp.checkpoint import CheckpointError, open_adapted, open_checkpoint
from taujp.checkpoint import to_state_dict as state_of
from taujp.cli import main


@pytest.fixture
def two(tmp_path):
    """Two adapters, and their base in bf16."""
    folders = [write_adapter(tmp_path / f"a{i}", on_modules(MODULES, seed=i)) for i in range(2)]
    return folders, saved(decoder(), tmp_path / "base", torch.bfloat16)


def test_a_path_of_both(two):
    folders, theta0 = two
    both = f"{theta0}+{folders[0]}"
    expected = state_of(open_adapted(theta0, folders[0]))
    found = state_of(open_checkpoint(both))
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())
    merged = taujp.merge_many([both, folders[1]], [0.6, 0.3], theta0)
    plain = taujp.merge_many(folders, [0.6, 0.3], theta0)
    assert all(torch.equal(tensor, plain[name]) for name, tensor in merged.items())
    alone = taujp.merge_many([both], [1.0])
    assert all(torch.equal(tensor, expected[name]) for name, tensor in alone.items())


def test_command(two, tmp_path, capsys):
    folders, theta0 = two

    def merge(out, before):
        ckpts = [("--ckpt", f"{before}{f}={c}") for f, c in zip(folders, (0.6, 0.3), strict=True)]
        flags = ["--base", str(theta0), "-q", "-o", str(tmp_path / out)]
        assert main(["merge", *flags, *(word for pair in ckpts for word in pair)]) == 0
        return load_file(tmp_path / out / "model.safetensors")

    one, other = merge("one", ""), merge("two", f"{theta0}+")
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    capsys.readouterr()
    assert main(["merge", "--ckpt", f"{folders[0]}=1", "-o", str(tmp_path / "three")]) == 1
    assert "is a PEFT adapter, which changes a base" in capsys.readouterr().err
    assert not (tmp_path / "three").exists()


def test_an_adapter_alone_is_no_checkpoint(two):
    folders, theta0 = two
    with pytest.raises(CheckpointError, match=r"is a PEFT adapter.*BASE.ADAPTER"):
        open_checkpoint(folders[0])
    with pytest.raises(CheckpointError, match="is a PEFT adapter"):
        taujp.merge_many([theta0], [1.0], base=folders[0])
    with pytest.raises(taujp.MergeError, match=r"checkpoint 0 .*is a PEFT adapter.*base="):
        taujp.merge_many(folders, [0.6, 0.3])


@pytest.mark.parametrize(
    ("halves", "told"),
    [
        ("base+nowhere", "the base '.*base' is there, the adapter 'nowhere' is not"),
        ("nowhere+a0", "the adapter '.*a0' is there, its base '.*nowhere' is not"),
        ("base+base", "'.*base' has no adapter_config.json; expected the folder that PEFT"),
        ("no+where", "cannot read '.*no.where'"),
    ],
)
def test_the_half_that_is_missing_is_told(two, tmp_path, halves, told):
    base, adapter = halves.split("+")
    there = tmp_path / adapter
    path = f"{tmp_path / base}+{there if there.exists() else adapter}"
    with pytest.raises(CheckpointError, match=told):
        open_checkpoint(path)


def test_a_whole_model_beside_an_adapter_is_told(two):
    folders, theta0 = two
    (folders[0] / "model.safetensors").write_bytes((theta0 / "model.safetensors").read_bytes())
    with pytest.raises(CheckpointError, match="a0' holds a whole model"):
        open_checkpoint(f"{theta0}+{folders[0]}")


def test_a_plus_in_a_name_is_no_pair(tmp_path):
    folder = saved(decoder(), tmp_path / "a+b")
    assert state_of(open_checkpoint(folder)).keys() == decoder().keys()
