"""Whole-tensor methods from files to files: the bits of memory, resumed, checked."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import taujp
from merge_cases import CASES, WAYS
from stream_files import left_in, save, state
from tolerance import assert_same_bits

PARTIAL = ".o.safetensors.taujp-partial"
# One whose sums the engine makes, one whose tensors are made here.
BOTH_WAYS = [("model_stock", {}), ("model_stock", {"by": "row"})]


def small_files(folder: Path, n: int, dtype: torch.dtype) -> list[Path]:
    """A base and n fine-tunes, small, with two blocks of a tower."""
    paths = save(folder, n + 1, dtype)
    for path in paths:
        tensors = load_file(path)
        tensors["large.weight"] = tensors["large.weight"][:3000].view(60, 50).clone()
        tensors["tower.0.scale"] = tensors.pop("scale")
        tensors["tower.4.bias"] = tensors.pop("layer.bias")
        save_file(tensors, path)
    return paths


def one_tensor_a_batch(monkeypatch) -> None:
    from taujp.merge import weighed_to_files, worked_batch

    for module in (weighed_to_files, worked_batch):
        monkeypatch.setattr(module, "BATCH_TENSORS", 1)


def inputs_of(paths: list[Path], based: bool) -> tuple[list[Path], Path | None]:
    return paths[1:], paths[0] if based else None


@pytest.mark.parametrize(("name", "based"), WAYS)
def test_files_give_the_bits_of_memory(tmp_path: Path, name: str, based: bool, dtype) -> None:
    case = CASES[name]
    ckpts, base = inputs_of(small_files(tmp_path, case.n, dtype), based)
    options = {"threads": torch.get_num_threads(), **case.options[-1]}
    written = taujp.merge_many(
        ckpts, case.rows, base, method=name, out=tmp_path / "sweep", **options
    )
    expected = taujp.merge_many(ckpts, case.rows, base, method=name, **case.options[-1])
    for path, merged in zip(written, expected, strict=True):
        found = load_file(path)
        assert found.keys() == merged.keys()
        for key, tensor in merged.items():
            assert torch.equal(found[key], tensor), f"{name} {key}"
    assert left_in(tmp_path) == {"sweep"}


@pytest.mark.parametrize(("name", "options"), BOTH_WAYS)
def test_large_tensors_dtype_prefix_and_ties(tmp_path: Path, name: str, options) -> None:
    for seed in range(3):
        tensors = state(seed)
        torch.save({**tensors, "tied": tensors["layer.weight"]}, tmp_path / f"{seed}.pt")
    base, *ckpts = (tmp_path / f"{seed}.pt" for seed in range(3))
    options = {**options, "dtype": torch.bfloat16, "prefix": "la"}
    with pytest.raises(taujp.CheckpointError, match="tied"):
        taujp.merge_many(ckpts, [1, 1], base, method=name, **options)
    del options["prefix"]
    lambdas = [1.0, 0.5]
    expected = taujp.merge_many(ckpts, [1, 1], base, method=name, lambda_=lambdas, **options)
    written = taujp.merge_many(
        ckpts, [1, 1], base, method=name, lambda_=lambdas, out=tmp_path / "sweep", **options
    )
    for path, merged in zip(written, expected, strict=True):
        found = load_file(path)
        assert torch.equal(found["tied"], found["layer.weight"])
        for key, tensor in found.items():
            assert torch.equal(tensor, merged[key]), key


@pytest.mark.parametrize(("name", "options"), BOTH_WAYS)
def test_states_in_memory_to_a_file(tmp_path: Path, name: str, options) -> None:
    base, *states = (state(seed) for seed in range(3))
    out = tmp_path / "o.safetensors"
    taujp.merge_many(states, [1, 1], base, method=name, out=out, **options)
    expected = taujp.merge_many(states, [1, 1], base, method=name, **options)
    for key, tensor in load_file(out).items():
        assert torch.equal(tensor, expected[key]), key


@pytest.mark.parametrize(("name", "options"), BOTH_WAYS)
def test_an_interrupted_merge_goes_on(tmp_path: Path, monkeypatch, name: str, options) -> None:
    one_tensor_a_batch(monkeypatch)
    base, *ckpts = save(tmp_path, 3)
    out = tmp_path / "o.safetensors"
    last: list[int] = []

    def stop(done: int, total: int) -> None:
        last.append(done)
        if done > total * 0.9:
            raise KeyboardInterrupt

    arguments = {"method": name, "out": out, **options}
    with pytest.raises(KeyboardInterrupt, match="goes on from there"):
        taujp.merge_many(ckpts, [1, 1], base, progress=stop, **arguments)
    assert left_in(tmp_path) == {PARTIAL}
    seen: list[int] = []
    taujp.merge_many(ckpts, [1, 1], base, progress=lambda done, _: seen.append(done), **arguments)
    assert seen[0] > 0
    fresh = tmp_path / "fresh.safetensors"
    taujp.merge_many(ckpts, [1, 1], base, **{**arguments, "out": fresh})
    assert out.read_bytes() == fresh.read_bytes()
    assert left_in(tmp_path) == {"o.safetensors", "fresh.safetensors"}


@pytest.mark.parametrize(("name", "options"), BOTH_WAYS)
def test_progress_counts_up_to_all_bytes(tmp_path: Path, name: str, options) -> None:
    base, *ckpts = save(tmp_path, 3)
    seen: list[tuple[int, int]] = []
    taujp.merge_many(
        ckpts, [1, 1], base, method=name, out=tmp_path / "o.safetensors",
        progress=lambda done, total: seen.append((done, total)), **options,
    )  # fmt: skip
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] > 3 * 4 * 1_000_003


@pytest.mark.parametrize(("name", "options"), BOTH_WAYS)
def test_nonfinite_inputs_are_reported_with_their_place(tmp_path: Path, name, options) -> None:
    base, *ckpts = save(tmp_path, 3)
    tensors = load_file(ckpts[1])
    tensors["large.weight"][765_432] = float("nan")
    save_file(tensors, ckpts[1])
    out = tmp_path / "o.safetensors"
    with pytest.raises(taujp.CheckpointError, match=re.escape("'large.weight', element 765432")):
        taujp.merge_many(ckpts, [1, 1], base, method=name, out=out, **options)
    options = {**options, "nonfinite": "allow"}
    taujp.merge_many(ckpts, [1, 1], base, method=name, out=out, **options)
    assert not load_file(out)["large.weight"][765_432].isfinite()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["slerp", "nuslerp", "multislerp", "karcher", "model_stock"])
def test_nonfinite_inputs_that_are_allowed(tmp_path: Path, name: str, value: float) -> None:
    base, *ckpts = small_files(tmp_path, 2, torch.float32)
    tensors = load_file(ckpts[1])
    tensors["layer.weight"][3, 4] = value
    save_file(tensors, ckpts[1])
    based = base if name in ("nuslerp", "model_stock") else None
    out, options = tmp_path / "o.safetensors", {"method": name, "nonfinite": "allow"}
    taujp.merge_many(ckpts, [1, 1], based, out=out, **options)
    expected = taujp.merge_many(ckpts, [1, 1], based, **options)
    for key, tensor in load_file(out).items():
        assert torch.equal(tensor.nan_to_num(7.0), expected[key].nan_to_num(7.0)), key
    assert not expected["layer.weight"][3, 4].isfinite()
    assert expected["large.weight"].isfinite().all()


def test_task_vectors_as_inputs(tmp_path: Path) -> None:
    base, *vectors = small_files(tmp_path, 3, torch.float32)
    rows, out = [[0.2, 0.3, 0.5], [1.0, 0.0, 1.0], [0.2, 0.3, 0.5]], tmp_path / "sweep"
    options = {"method": "multislerp", "deltas": True}
    written = taujp.merge_many(vectors, rows, base, out=out, **options)
    expected = taujp.merge_many(vectors, rows, base, **options)
    for path, merged in zip(written, expected, strict=True):
        for key, tensor in load_file(path).items():
            assert_same_bits(tensor, merged[key], key)


@pytest.mark.parametrize(("name", "options"), BOTH_WAYS)
def test_an_input_truncated_while_being_read_is_noticed(tmp_path: Path, name, options) -> None:
    paths, out = [tmp_path / f"{seed}.safetensors" for seed in range(3)], tmp_path / "o.safetensors"
    for path in paths:
        save_file({"weight": torch.ones(8_000_000)}, path)
    timer = threading.Timer(0.01, os.truncate, (paths[1], 4096))

    def progress(done: int, total: int) -> None:
        if timer.ident is None:
            timer.start()

    with pytest.raises(taujp.CheckpointError, match=r"1\.safetensors.* (changed|truncated)"):
        taujp.merge_many(
            paths[1:], [1, 1], paths[0], method=name, out=out, progress=progress, **options
        )
    timer.join()
    assert not out.exists()


def test_other_options_begin_anew(tmp_path: Path, monkeypatch) -> None:
    one_tensor_a_batch(monkeypatch)
    base, *ckpts = save(tmp_path, 3)
    out = tmp_path / "o.safetensors"

    def stop(done: int, total: int) -> None:
        if done > total * 0.9:
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        taujp.merge_many(ckpts, [1, 1], base, method="model_stock", out=out, progress=stop)
    with pytest.warns(UserWarning, match="unfinished merge of other inputs or options"):
        taujp.merge_many(ckpts, [1, 1], base, method="model_stock", by="row", out=out)
    expected = taujp.merge_many(ckpts, [1, 1], base, method="model_stock", by="row")
    assert_same_bits(load_file(out)["layer.weight"], expected["layer.weight"], "layer.weight")
