"""Weighted sums of adapters come from their factors alone, as their changes would give them."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import taujp
from adapted_decoder import MODULES, Q, decoder, merged_by_hand, saved
from adapters import factors, on_modules, write_adapter
from taujp.checkpoint import lora_change, open_adapted, to_state_dict
from taujp.merge import adapter_rooms
from taujp.merge.adapter_sums import products_of

ROWS = [[0.6, 0.3, -0.2], [1.0, 0.0, 0.5]]


@pytest.fixture
def base():
    return decoder()


@pytest.fixture
def three(tmp_path):
    """Adapters of unlike ranks and modules, and their tensors."""
    some = dict(list(MODULES.items())[1:3])
    tensors = [
        on_modules(MODULES, seed=1),
        on_modules(MODULES, 7, seed=2),
        on_modules(some, seed=3),
    ]
    ranks = (4, 7, 4)
    folders = [
        write_adapter(tmp_path / f"a{i}", t, r=rank, lora_alpha=4 * rank)
        for i, (t, rank) in enumerate(zip(tensors, ranks, strict=True))
    ]
    return folders, tensors


@pytest.fixture
def no_product(monkeypatch):
    """A change that is made by itself is a failure."""
    for module in (lora_change, adapter_rooms):
        monkeypatch.setattr(module, "write_product", lambda *_: pytest.fail("a product"))


def check(found, base, tensors, row, dtype=torch.float32):
    for name, expected in merged_by_hand(base, tensors, row, dtype).items():
        if expected.is_floating_point() and base[name].is_floating_point():
            torch.testing.assert_close(found[name].double(), expected, rtol=2**-23, atol=1e-8)


@pytest.mark.usefixtures("no_product")
@pytest.mark.parametrize("place", ["memory", "files"])
def test_many_results_in_one_pass(base, three, tmp_path, place):
    folders, tensors = three
    out = tmp_path / "out" if place == "files" else None
    theta0 = saved(base, tmp_path / "base", torch.bfloat16)
    found = taujp.merge_many(folders, ROWS, theta0, lambda_=[1.0, 0.5], dtype="float32", out=out)
    if place == "files":
        found = [load_file(f"{path}/model.safetensors") for path in found]
    for state, row, scale in zip(found, ROWS, (1.0, 0.5), strict=True):
        check(state, base, tensors, [scale * c for c in row], torch.bfloat16)


@pytest.mark.usefixtures("no_product")
def test_normalised(base, three):
    folders, tensors = three
    for row, total in (([0.6, 0.3, 0.3], 1.2), ([0.5, -0.5, 0.0], 1.0)):  # a sum of 0 counts as 1
        found = taujp.merge_many(folders, row, base, normalize=True)
        check(found, base, tensors, [c / total for c in row])


@pytest.mark.usefixtures("no_product")
@pytest.mark.parametrize("method", ["model_stock", "multislerp"])
def test_weights_that_follow_from_products(base, three, method):
    folders, tensors = three
    row = [1.0] * 3 if method == "model_stock" else [0.6, 0.3, 0.2]
    found = taujp.merge_many(folders, row, base, method=method)
    units = [merged_by_hand(base, [t], [1.0], torch.float32) for t in tensors]
    models = [{n: t.to(base[n].dtype) for n, t in unit.items()} for unit in units]
    expected = taujp.merge_many(models, row, base, method=method)
    for name, tensor in found.items():  # the models were rounded near numbers of 3
        torch.testing.assert_close(tensor, expected[name], rtol=1e-5, atol=1e-6)


def test_products_are_those_of_the_changes():
    pairs = [factors(30, 20, rank, seed=rank) for rank in (3, 5, 8)]
    given = [(b.double(), a.double()) for a, b in pairs]
    changes = torch.stack([(left @ right).flatten() for left, right in given])
    found = torch.tensor(products_of(given), dtype=torch.float64)
    torch.testing.assert_close(found, changes @ changes.mT)


def test_any_number_of_threads_and_pieces_of_any_size(base, three, tmp_path, monkeypatch):
    folders, _ = three
    theta0 = saved(base, tmp_path / "base", torch.bfloat16)
    expected = taujp.merge_many(folders, ROWS[0], theta0)
    monkeypatch.setattr(lora_change, "_PIECE", 100)
    for threads in (1, 3):
        out = tmp_path / f"{threads}.safetensors"
        taujp.merge_many(folders, ROWS[0], theta0, out=out, threads=threads)
        found = load_file(out)
        assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())


@pytest.mark.parametrize("place", ["memory", "files"])
def test_what_is_not_finite_is_told(base, three, tmp_path, place):
    folders, _ = three
    broken = {**base, Q: base[Q].clone()}
    broken[Q][3, 2] = float("nan")
    theta0 = saved(broken, tmp_path / "base")
    out = {"out": tmp_path / "out"} if place == "files" else {}
    with pytest.raises(ValueError, match=r"base.*q_proj\.weight"):
        taujp.merge_many(folders, ROWS[0], theta0, **out)
    found = taujp.merge_many(folders, ROWS[0], theta0, nonfinite="allow")
    assert found[Q].isnan().sum() == 1


def test_methods_that_need_the_changes_use_memory_again(base, three, tmp_path):
    """Rooms of one parameter serve a smaller and a larger one."""
    folders, _ = three
    zero = {name: t * 0 if t.is_floating_point() else t for name, t in base.items()}
    models = [to_state_dict(open_adapted(zero, folder)) for folder in folders]
    expected = taujp.merge_many(models, ROWS[0], zero, method="ties")
    found = taujp.merge_many(folders, ROWS[0], zero, method="ties")
    theta0 = saved(zero, tmp_path / "zero")
    taujp.merge_many(folders, ROWS[0], theta0, method="ties", out=tmp_path / "out")
    written = load_file(tmp_path / "out" / "model.safetensors")
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name
        assert torch.equal(written[name], tensor), name


def test_fingerprints_tell_adapters_from_each_other(base, three, tmp_path):
    folders, _ = three
    theta0 = saved(base, tmp_path / "base")

    def told(method, names):
        out = tmp_path / f"{method}-{len(list(tmp_path.iterdir()))}.safetensors"
        taujp.merge_many(names, [1.0, 1.0], theta0, method=method, out=out)
        with safe_open(out, "pt") as file:
            inputs = json.loads(file.metadata()["taujp"])["inputs"]
        return [one["fingerprint"] for one in inputs]

    summed, elected = (told(method, folders[:2]) for method in ("task_arithmetic", "ties"))
    assert summed == elected
    assert summed[0] != summed[1]
    assert told("ties", folders[1:])[0] == summed[1]
