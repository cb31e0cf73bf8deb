"""Models of many tasks in one small file: each comes out as it would have been merged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import taujp
from states import random_states
from stream_files import left_in
from taujp.checkpoint.compact_file import packed, unpacked
from tolerance import assert_same_bits

CASES = [
    ("emr", {}),
    ("emr", {"scale": "parameters"}),
    ("tall_mask", {}),
    ("tall_mask", {"share": [0.2, 0.5, 1.0]}),
]
TASKS = ("mnist", "cars", "dtd")


def saved(folder: Path, dtype: torch.dtype = torch.float32) -> tuple[Path, list[Path]]:
    """A base and fine-tunes, with what is no whole number of bytes of bits and what is no float."""
    base, ckpts = random_states(3, dtype)
    for state, task in zip((base, *ckpts), ("base", *TASKS), strict=True):
        large = torch.arange(70_001.0).sin() if task == "base" else state["embed"].flatten()[0]
        state["large"] = (large * torch.ones(70_001)).to(dtype)
        state["steps"] = torch.tensor(7)
        save_file(state, folder / f"{task}.safetensors")
    return folder / "base.safetensors", [folder / f"{task}.safetensors" for task in TASKS]


@pytest.mark.parametrize(("method", "options"), CASES)
def test_every_task_comes_out_as_it_was_merged(tmp_path, dtype, method, options) -> None:
    base, ckpts = saved(tmp_path, dtype)
    file = tmp_path / "tasks.safetensors"
    found = taujp.compact(ckpts, [1, 1, 1], base, file, method=method, **options)
    assert found.tasks == TASKS
    for lambda_ in (1.0, 0.3):
        models = taujp.merge_many(ckpts, [1, 1, 1], base, method=method, lambda_=lambda_, **options)
        for task, expected in zip(TASKS, models, strict=True):
            rebuilt = taujp.rebuild(file, task, base, lambda_=lambda_)
            assert rebuilt.keys() == expected.keys()
            for name, tensor in expected.items():
                assert_same_bits(rebuilt[name], tensor, f"{task} {name}")


def test_to_files_and_from_memory(tmp_path) -> None:
    base, ckpts = saved(tmp_path)
    states = [load_file(path) for path in (base, *ckpts)]
    one, two = tmp_path / "one.safetensors", tmp_path / "two.safetensors"
    taujp.compact(ckpts, [1, 1, 1], base, one)
    found = taujp.compact(states[1:], [1, 1, 1], states[0], two)
    assert found.tasks == ("0", "1", "2")
    written = taujp.rebuild(one, "cars", base, out=tmp_path / "cars-again.safetensors")
    expected = taujp.rebuild(two, 1, states[0])
    for name, tensor in load_file(written).items():
        assert_same_bits(tensor, expected[name], name)
    names = {"base", *TASKS, "one", "two", "cars-again"}
    assert left_in(tmp_path) == {f"{name}.safetensors" for name in names}


def test_it_is_as_small_as_it_says(tmp_path) -> None:
    base, ckpts = saved(tmp_path)
    file = tmp_path / "tasks.safetensors"
    found = taujp.compact(ckpts, [1, 1, 1], base, file)
    assert found.bytes == file.stat().st_size
    tensors = load_file(base)
    size = sum(t.numel() for t in tensors.values() if t.is_floating_point())
    bits = sum(3 * (-(-t.numel() // 8)) for t in tensors.values() if t.is_floating_point())
    with safe_open(file, "pt") as stream:
        tensors_of = stream.keys()
        assert sum(stream.get_tensor(name).nbytes for name in tensors_of) == 4 * size + bits
        told = json.loads(stream.metadata()["taujp.compact"])
    assert told["version"] == 1
    assert told["tasks"] == list(TASKS)
    assert told["method"] == "emr"
    assert found.models == 3 * sum(t.nbytes for t in tensors.values())


def test_parts_of_a_model(tmp_path) -> None:
    base, ckpts = saved(tmp_path)
    file = tmp_path / "tasks.safetensors"
    taujp.compact(ckpts, [1, 1, 1], base, file, prefix="block.")
    expected = taujp.merge_many(ckpts, [1, 1, 1], base, method="emr", prefix="block.")[2]
    rebuilt = taujp.rebuild(file, "dtd", base)
    for name, tensor in expected.items():
        assert_same_bits(rebuilt[name], tensor, name)


def test_tied_weights_come_out_tied(tmp_path) -> None:
    base, ckpts = random_states(2)
    paths = [tmp_path / f"{i}.pt" for i in range(3)]
    for path, state in zip(paths, (base, *ckpts), strict=True):
        torch.save({**state, "tied": state["embed"]}, path)
    taujp.compact(paths[1:], [1, 1], paths[0], tmp_path / "tasks.safetensors")
    expected = taujp.merge_many(paths[1:], [1, 1], paths[0], method="emr")[1]
    rebuilt = taujp.rebuild(tmp_path / "tasks.safetensors", "2", paths[0])
    for name, tensor in expected.items():
        assert_same_bits(rebuilt[name], tensor, name)
    assert rebuilt["tied"] is rebuilt["embed"]


def test_the_command_line(tmp_path, capsys) -> None:
    from taujp.cli import main

    base, ckpts = saved(tmp_path)
    file, model = tmp_path / "tasks.safetensors", tmp_path / "again.safetensors"
    inputs = [f"--ckpt={path}" for path in ckpts]
    made = ["compact", "make", *inputs, f"--base={base}", "--method=tall_mask", "--share=0.5"]
    assert main([*made, "-o", str(file)]) == 0
    assert "0.37 of the" in capsys.readouterr().out
    again = ["compact", "rebuild", str(file), "--task=dtd", f"--base={base}"]
    assert main([*again, "-o", str(model)]) == 0
    expected = taujp.merge_many(ckpts, [1, 1, 1], base, method="tall_mask", share=0.5)[2]
    for name, tensor in load_file(model).items():
        assert_same_bits(tensor, expected[name], name)


def test_what_means_nothing_is_refused(tmp_path) -> None:
    base, ckpts = saved(tmp_path)
    file = tmp_path / "tasks.safetensors"
    make = (ckpts, [1, 1, 1], base)
    with pytest.raises(taujp.MergeError, match=r"ties makes no model for each task; use one of em"):
        taujp.compact(*make, file, method="ties")
    with pytest.raises(taujp.MergeError, match="lambda_ scales a task's vector when it is rebuilt"):
        taujp.compact(*make, file, lambda_=0.5)
    with pytest.raises(taujp.MergeError, match=r"ends in \.safetensors"):
        taujp.compact(*make, tmp_path / "tasks")
    taujp.compact(*make, file)
    with pytest.raises(FileExistsError, match="exists"):
        taujp.compact(*make, file)
    taujp.compact(*make, file, overwrite=True)
    with pytest.raises(taujp.CheckpointError, match=r"no task 'svhn'; it has \['mnist', 'cars'"):
        taujp.rebuild(file, "svhn", base)
    with pytest.raises(taujp.CheckpointError, match="no task 3"):
        taujp.rebuild(file, 3, base)
    with pytest.raises(taujp.CheckpointError, match="is no compact file of several tasks"):
        taujp.rebuild(base, "cars", base)
    other = load_file(base)
    other["large"], _ = other["large"][:9].clone(), other.pop("norm")
    with pytest.raises(taujp.CheckpointError, match="of another base") as error:
        taujp.rebuild(file, "cars", other)
    assert "'norm' is not there" in str(error.value)
    assert "'large' has shape (9,), not (70001,)" in str(error.value)
    with pytest.raises(taujp.CheckpointError, match="numbers or their dtypes are not"):
        taujp.rebuild(file, "cars", ckpts[0])


def test_nan_leaves_nothing_behind(tmp_path) -> None:
    base, ckpts = saved(tmp_path)
    broken = load_file(ckpts[1])
    broken["large"][40_000] = float("nan")
    save_file(broken, ckpts[1])
    before = left_in(tmp_path)
    for method in ("emr", "tall_mask"):
        with pytest.raises(taujp.CheckpointError, match=r"NaN or Inf(.|\n)*large"):
            taujp.compact(ckpts, [1, 1, 1], base, tmp_path / "tasks.safetensors", method=method)
        assert left_in(tmp_path) == before


@pytest.mark.parametrize("shape", [(0,), (), (1,), (8,), (3, 7), (4, 16)])
def test_bits_come_back(shape) -> None:
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(0)) < 0.5
    bits = packed(mask)
    assert len(bits) == -(-mask.numel() // 8)
    assert torch.equal(unpacked(bits, shape), mask)


def test_bits_are_where_the_format_says() -> None:
    mask = torch.tensor([True, False, False, True, False, False, False, False, False, True])
    assert packed(mask).tolist() == [0b1001, 0b10]
