"""Methods that give a model for each task, and those that look at the whole model first."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import taujp
from reference_merge import BY_TASK, merged_by_task
from states import on, random_states
from taujp import MergeError
from taujp.merge.ranked_pieces import kth_of_pieces
from test_merge_tensors import assert_close
from tolerance import assert_same_bits

CASES = {
    "emr": ([1.0, 1.0, 1.0], [{}]),
    "tall_mask": ([0.5, 0.9, -0.2], [{}, {"share": 0.6}, {"share": [0.2, 0.5, 1.0]}]),
}
BY_TASK_METHODS = [name for name, method in taujp.methods().items() if method.per_task]


def test_every_method_by_task_has_a_twin_and_a_case():
    assert set(BY_TASK_METHODS) == set(BY_TASK) == set(CASES)


@pytest.mark.parametrize("name", BY_TASK_METHODS)
def test_twin(name, device, dtype):
    base, ckpts = random_states(3, dtype)
    row, every = CASES[name]
    for options in every:
        found = taujp.merge_many(
            [on(device, c) for c in ckpts], row, on(device, base), method=name, **options
        )
        expected = merged_by_task(ckpts, row, base, method=name, **options)
        assert len(found) == len(expected) == 3
        for task, (one, twin) in enumerate(zip(found, expected, strict=True)):
            for key, tensor in one.items():
                vectors = [c[key].float() - base[key].float() for c in ckpts]
                what = f"{name} {options} task {task} {key}"
                assert_close(tensor, twin[key], vectors, what, matrix=False)


@pytest.mark.parametrize("name", BY_TASK_METHODS)
def test_lambda_for_all_tasks_and_for_each(name):
    base, ckpts = random_states(3)
    row, _ = CASES[name]
    one = taujp.merge_many(ckpts, row, base, method=name)
    each = taujp.merge_many(ckpts, row, base, method=name, lambda_=[1.0, 0.0, 0.5])
    half = taujp.merge_many(ckpts, row, base, method=name, lambda_=0.5)
    for key, theta0 in base.items():
        assert_same_bits(each[0][key], one[0][key], key)
        assert torch.equal(each[1][key], theta0)
        assert_same_bits(each[2][key], half[2][key], key)


@pytest.mark.parametrize("name", BY_TASK_METHODS)
def test_the_order_of_checkpoints_is_that_of_the_models(name):
    base, ckpts = random_states(3)
    row = [1.0] * 3
    there = taujp.merge_many(ckpts, row, base, method=name)
    back = taujp.merge_many(ckpts[::-1], row, base, method=name)
    for one, other in zip(there, back[::-1], strict=True):
        for key, tensor in one.items():
            largest = max(float((c[key] - base[key]).norm()) for c in ckpts)
            off = (tensor - other[key]).abs() > 1e-5 * largest
            assert off.sum() <= 0.001 * off.numel() + 1, key  # a sum's sign may be a rounding's


@pytest.mark.parametrize("name", BY_TASK_METHODS)
def test_one_task_keeps_its_model(name):
    base, (theta,) = random_states(1)
    (found,) = taujp.merge_many([theta], [1.0], base, method=name)
    for key, tensor in found.items():
        torch.testing.assert_close(tensor, theta[key], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("name", BY_TASK_METHODS)
def test_task_vectors_of_zero_leave_the_base(name):
    base, (theta, _) = random_states(2)
    same, other = taujp.merge_many([base, theta], [1.0, 1.0], base, method=name)
    for key, theta0 in base.items():
        torch.testing.assert_close(other[key], theta[key], rtol=1e-6, atol=1e-6)
        if name == "emr":
            assert torch.equal(same[key], theta0)


def test_emr_keeps_each_task_vectors_length():
    """The scale gives every task's model the L1 norm of its own vector, over the model."""
    base, ckpts = random_states(3)
    found = taujp.merge_many(ckpts, [1.0] * 3, base, method="emr")
    for theta, one in zip(ckpts, found, strict=True):
        own, kept = (
            sum(float((s[k].double() - base[k].double()).abs().sum()) for k in base)
            for s in (theta, one)
        )
        assert kept == pytest.approx(own, rel=1e-5)


def test_emr_by_parameters_keeps_the_sum_of_their_means():
    base, ckpts = random_states(3)
    found = taujp.merge_many(ckpts, [1.0] * 3, base, method="emr", scale="parameters")
    for theta, one in zip(ckpts, found, strict=True):
        own, kept = (
            sum(
                float((s[k].double() - base[k].double()).abs().mean()) for k in base if s[k].numel()
            )
            for s in (theta, one)
        )
        assert kept == pytest.approx(own, rel=1e-5)


@pytest.mark.parametrize("share", [0.5, [0.2, 0.5, 1.0]])
def test_masks_that_two_tasks_share_are_those_of_consensus(tmp_path: Path, share):
    base, ckpts = random_states(3)
    row = [1.0, 1.0, 1.0]
    tasks = taujp.merge_many(ckpts, row, base, method="tall_mask", share=share)
    both = taujp.merge_many(ckpts, row, base, method="consensus", share=share, tasks=2)
    half, whole = taujp.merge_many(ckpts, [[0.5] * 3, row], base, method="consensus", share=share)
    out = tmp_path / "out.safetensors"
    taujp.merge_many(ckpts, row, base, method="consensus", share=share, out=out)
    written = load_file(out)
    for key, theta0 in base.items():
        votes = sum((one[key] != theta0).int() for one in tasks)
        assert torch.equal(both[key] != theta0, votes >= 2), key
        assert_same_bits(whole[key], both[key], key)
        assert_same_bits(written[key], both[key], key)
        assert torch.equal(half[key] != theta0, both[key] != theta0), key


def large(seed: int) -> dict[str, torch.Tensor]:
    """More than one piece of a parameter, of a survey too."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"layer.weight": (700, 500), "layer.bias": (500,), "last": (40_000,)}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


METHODS_OVER_MODEL = [("emr", {}), ("tall_mask", {"share": 0.5}), ("pcb", {"density": 0.2})]


@pytest.mark.parametrize(("name", "options"), METHODS_OVER_MODEL)
def test_files_have_the_bits_of_memory(tmp_path: Path, name: str, options) -> None:
    states = [large(seed) for seed in range(4)]
    paths = [tmp_path / f"{task}.safetensors" for task in ("base", "mnist", "cars", "dtd")]
    for state, path in zip(states, paths, strict=True):
        save_file(state, path)
    expected = taujp.merge_many(states[1:], [1, 1, 1], states[0], method=name, **options)
    out = tmp_path / ("one.safetensors" if name == "pcb" else "out")
    written = taujp.merge_many(paths[1:], [1, 1, 1], paths[0], method=name, out=out, **options)
    if name == "pcb":
        written, expected = [written], [expected]
    else:
        assert [Path(p).name for p in written] == [p.name for p in paths[1:]]
    for path, state in zip(written, expected, strict=True):
        for key, tensor in load_file(path).items():
            assert_same_bits(tensor, state[key], f"{name} {path} {key}")


def test_each_output_says_which_task_it_is(tmp_path: Path) -> None:
    for seed, task in enumerate(("base", "mnist", "cars")):
        save_file(large(seed), tmp_path / f"{task}.safetensors")
    written = taujp.merge_many(
        [tmp_path / "mnist.safetensors", tmp_path / "cars.safetensors"],
        [1, 1],
        tmp_path / "base.safetensors",
        method="emr",
        out=tmp_path / "out",
    )
    for number, path in enumerate(written):
        with safe_open(path, "pt") as file:
            assert json.loads(file.metadata()["taujp"])["task"] == number


def test_the_command_line_makes_a_model_for_each_task(tmp_path: Path, capsys) -> None:
    from taujp.cli import main

    for seed, task in enumerate(("base", "mnist", "cars")):
        save_file(large(seed), tmp_path / f"{task}.safetensors")
    paths = {task: str(tmp_path / f"{task}.safetensors") for task in ("base", "mnist", "cars")}
    ckpts = ["--ckpt", f"{paths['mnist']}=1", "--ckpt", f"{paths['cars']}=1"]
    out = ["--base", paths["base"], "--method", "emr", "--out", str(tmp_path / "out")]
    assert main(["merge", *ckpts, *out]) == 0
    written = capsys.readouterr().out.split()
    assert [Path(path).name for path in written] == ["mnist.safetensors", "cars.safetensors"]
    expected = taujp.merge_many([large(1), large(2)], [1, 1], large(0), method="emr")
    for path, state in zip(written, expected, strict=True):
        for key, tensor in load_file(path).items():
            assert_same_bits(tensor, state[key], key)


def test_models_without_a_name_are_numbered(tmp_path: Path) -> None:
    base, *states = (large(seed) for seed in range(3))
    written = taujp.merge_many(states, [1, 1], base, method="emr", out=tmp_path / "out")
    assert [Path(p).name for p in written] == ["000.safetensors", "001.safetensors"]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder, state in zip("ab", states, strict=True):
        save_file(state, tmp_path / folder / "same.safetensors")
    same = [tmp_path / folder / "same.safetensors" for folder in "ab"]
    written = taujp.merge_many(same, [1, 1], base, method="emr", out=tmp_path / "more")
    assert [Path(p).name for p in written] == ["000.safetensors", "001.safetensors"]


def test_what_means_nothing_is_refused(tmp_path: Path) -> None:
    base, ckpts = random_states(3)
    row = [1.0] * 3
    with pytest.raises(MergeError, match=r"finds its own weights"):
        taujp.merge_many(ckpts, [0.5] * 3, base, method="emr")
    with pytest.raises(MergeError, match=r"one row of coefs; it got 2 rows"):
        taujp.merge_many(ckpts, [row, [0.3] * 3], base, method="tall_mask")
    with pytest.raises(MergeError, match=r"lambda_ has 2 values"):
        taujp.merge_many(ckpts, row, base, method="tall_mask", lambda_=[1.0, 2.0])
    with pytest.raises(MergeError, match=r"share has 2 values for 3 checkpoints"):
        taujp.merge_many(ckpts, row, base, method="tall_mask", share=[0.1, 0.2])
    with pytest.raises(MergeError, match=r"scale is 'model'"):
        taujp.merge_many(ckpts, row, base, method="emr", scale="model")
    with pytest.raises(MergeError, match=r"name a folder"):
        taujp.merge_many(ckpts, row, base, method="emr", out=tmp_path / "one.safetensors")
    for name in BY_TASK_METHODS:
        with pytest.raises(MergeError, match=r"base"):
            taujp.merge_many(ckpts, row, method=name)
    with pytest.raises(MergeError, match=r"density"):
        taujp.merge_many(ckpts, row, base, method="pcb", density=1.5)


@pytest.mark.parametrize("name", ["emr", "tall_mask", "pcb"])
def test_nan_and_inf_are_named(tmp_path: Path, name: str) -> None:
    base, *states = (large(seed) for seed in range(3))
    states[1]["layer.weight"][600, 7] = float("nan")
    with pytest.raises(taujp.CheckpointError, match=r"NaN or Inf(.|\n)*layer\.weight"):
        taujp.merge_many(states, [1, 1], base, method=name)
    save_file(states[1], tmp_path / "bad.safetensors")
    ckpts = [states[0], tmp_path / "bad.safetensors"]
    with pytest.raises(taujp.CheckpointError, match=r"NaN or Inf(.|\n)*layer\.weight"):
        taujp.merge_many(ckpts, [1, 1], base, method=name, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pcb_of_the_whole_density_keeps_all_but_the_worst_element():
    base, ckpts = random_states(2)
    found = taujp.merge_many(ckpts, [1.0, 1.0], base, method="pcb", density=1.0, clip=0.0)
    kept = sum(int((found[key] != base[key]).sum()) for key in base)
    assert kept >= sum(t.numel() for t in base.values()) - 2


def test_the_kth_of_pieces_is_that_of_the_sorted_list():
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(50_001, generator=generator)
    crowded = (torch.randn(50_001, generator=generator) * 3).round() / 7
    ranks = [0, 1, 17, 25_000, 49_999, 50_000]
    for cuts in ([50_001], [7, 30_000, 19_994]):
        pieces = list(zip(spread.split(cuts), crowded.split(cuts), strict=True))
        found = kth_of_pieces(lambda pieces=pieces: pieces, ranks)
        for series, values in zip((spread, crowded), found, strict=True):
            assert values == series.sort().values[ranks].tolist()
