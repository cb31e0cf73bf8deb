"""Merging adapters: as the models that they stand for, from files and in memory."""

from __future__ import annotations

import json
import math

import pytest
import torch
from safetensors.torch import load_file

import taujp
from adapted_decoder import MODULES, Q, decoder, merged_by_hand, pair, saved
from adapters import on_modules, write_adapter
from reference_merge_lora import change
from taujp.checkpoint import open_adapted
from taujp.checkpoint import to_state_dict as state_of
from taujp.merge.adapters import without_unchanged
from taujp.merge.prepare import prepare


@pytest.fixture
def base():
    return decoder()


@pytest.fixture
def two(base, tmp_path):
    """Two adapters of partly different modules, their tensors, and the base in bf16."""
    some = dict(list(MODULES.items())[:3])
    tensors = [on_modules(MODULES, seed=1), on_modules(some, seed=2)]
    folders = [write_adapter(tmp_path / f"a{i}", t) for i, t in enumerate(tensors)]
    return folders, tensors, saved(base, tmp_path / "base", torch.bfloat16)


@pytest.mark.parametrize("kind", ["memory", "files"])
def test_task_vectors_of_adapters_are_exact(base, two, tmp_path, kind):
    folders, tensors, theta0 = two
    out = tmp_path / "out" if kind == "files" else None
    found = taujp.merge_many(folders, [0.6, 0.3], theta0, dtype="float32", out=out)
    if kind == "files":
        assert (tmp_path / "out" / "config.json").exists()
        found = load_file(tmp_path / "out" / "model.safetensors")
    expected = merged_by_hand(base, tensors, [0.6, 0.3], torch.bfloat16)
    for name, tensor in found.items():
        if not tensor.is_floating_point():
            assert torch.equal(tensor, base[name])
            continue
        assert tensor.dtype == torch.float32
        # two products, a sum and theta0: a few roundings in fp32, none in bf16
        torch.testing.assert_close(tensor.double(), expected[name], rtol=2**-23, atol=1e-9)


def test_files_and_memory_give_the_same_bits(two, tmp_path):
    folders, _, theta0 = two
    for method in ("task_arithmetic", "ties", "dare_ties", "tsv_m"):
        held = taujp.merge_many(folders, [0.6, 0.3], theta0, method=method)
        taujp.merge_many(folders, [0.6, 0.3], theta0, method=method, out=tmp_path / method)
        written = load_file(tmp_path / method / "model.safetensors")
        assert all(torch.equal(written[name], tensor) for name, tensor in held.items())
        assert held[Q].dtype == torch.bfloat16


METHODS = [
    ("task_arithmetic", {}),
    ("ties", {"density": 0.4}),
    ("ties", {"density": 0.4, "trim": "model"}),
    ("dare_ties", {"seed": 3}),
    ("breadcrumbs", {}),
    ("magmax", {}),
    ("lines", {"alpha": 0.2}),
    ("sce", {"density": 0.3}),
    ("tsv_m", {}),
    ("pcb", {}),
    ("nuslerp", {}),
]
SUMS = ("task_arithmetic", "lines", "nuslerp")


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_adapters_merge_as_the_models_they_stand_for(base, tmp_path, method, options):
    tensors = [on_modules(MODULES, seed=1), on_modules(MODULES, seed=2)]
    folders = [write_adapter(tmp_path / f"a{i}", t) for i, t in enumerate(tensors)]
    # from zero, tau of the whole models is exact too
    zero = {name: t * 0 if t.is_floating_point() else t for name, t in base.items()}
    models = [state_of(open_adapted(zero, folder)) for folder in folders]
    row = [1.0, 1.0] if method == "sce" else [0.4, 0.6]
    found = taujp.merge_many(folders, row, zero, method=method, **options)
    expected = taujp.merge_many(models, row, zero, method=method, **options)
    # a sum of changes is rounded once, where each of the models was rounded before it was added
    rounding = 2**-22 if method in SUMS else 0
    for name, tensor in found.items():
        torch.testing.assert_close(
            tensor, expected[name], rtol=0, atol=rounding * float(expected[name].abs().max())
        )


def test_adapters_beside_whole_models(base, two, tmp_path):
    folders, tensors, _ = two
    other = {n: t + 0.01 if t.is_floating_point() else t for n, t in base.items()}
    found = taujp.merge_many([folders[0], other], [1.0, 0.5], base)
    expected = merged_by_hand(base, tensors[:1], [1.0], torch.float32)
    for name, tensor in found.items():
        if tensor.is_floating_point():
            added = 0.5 * (other[name].double() - base[name].double())
            torch.testing.assert_close(
                tensor.double(), expected[name] + added, rtol=1e-6, atol=1e-7
            )


def test_parameters_that_nobody_changes_are_the_bits_of_the_base(base, two):
    folders, _, theta0 = two
    found = taujp.merge_many(folders, [0.6, 0.3], theta0, method="ties")
    plain = load_file(theta0 / "model.safetensors")
    changed = {name for name, t in plain.items() if not torch.equal(found[name], t)}
    assert changed == {f"{module}.weight" for module in MODULES}


def test_names_may_be_mapped(base, two):
    folders, _, _ = two
    plain = taujp.merge_many(folders, [0.6, 0.3], base)
    found = taujp.merge_many(folders, [0.6, 0.3], base, rename={r"^model\.": "net."})
    assert found.keys() == {name.replace("model.", "net.") for name in base}
    assert all(torch.equal(t, plain[n.replace("net.", "model.")]) for n, t in found.items())


def test_stepwise_takes_the_models_as_their_dtype_has_them(two):
    folders, _, theta0 = two
    models = [state_of(open_adapted(theta0, folder)) for folder in folders]
    found = taujp.merge_many(folders, [0.6, 0.3], theta0, rounding="stepwise")
    expected = taujp.merge_many(models, [0.6, 0.3], theta0, rounding="stepwise")
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


def test_task_vectors(base, two):
    folders, tensors, theta0 = two
    a, b = (taujp.TaskVector(theta0, folder) for folder in folders)
    changes = [
        torch.cat(
            [change(*pair(t, m), 4.0).flatten() for m in MODULES if f"{m}.lora_A.weight" in t]
        )
        for t in tensors
    ]
    assert abs(a.norm() / float(changes[0].norm()) - 1) < 1e-5
    shared = len(changes[1])  # the second adapts the first modules of the first
    dot = float(changes[0][:shared] @ changes[1])
    assert abs(a.dot(b) - dot) < 1e-5 * a.norm() * b.norm()
    found = (0.6 * a + 0.3 * b).apply(theta0)
    expected = taujp.merge_many(folders, [0.6, 0.3], theta0)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())
    a.save(theta0.parent / "vector.safetensors")
    kept = taujp.TaskVector.load(theta0.parent / "vector.safetensors")
    assert abs(kept.norm() / a.norm() - 1) < 1e-6


def test_nan_in_a_factor_is_told(base, tmp_path):
    tensors = on_modules(MODULES)
    tensors[f"{Q[:-7]}.lora_A.weight"][0, 0] = math.nan
    adapter = write_adapter(tmp_path / "a", tensors)
    with pytest.raises(ValueError, match=Q.replace(".", r"\.")):
        taujp.merge_many([adapter], [1.0], base)
    with pytest.raises(ValueError, match=Q.replace(".", r"\.")):
        taujp.merge_many([adapter], [1.0], base, out=tmp_path / "out.safetensors")


def test_provenance_names_the_adapter(two, tmp_path):
    from safetensors import safe_open

    folders, _, theta0 = two
    taujp.merge_many(folders, [0.6, 0.3], theta0, out=tmp_path / "out.safetensors")
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        told = json.loads(file.metadata()["taujp"])
    assert told["method"] == "task_arithmetic"
    assert len(told["inputs"]) == 2


def test_only_what_an_adapter_changes_is_merged(base, two):
    folders, _, theta0 = two
    changed = {f"{module}.weight" for module in MODULES}
    floating = {name for name, tensor in base.items() if tensor.is_floating_point()}
    for options, expected in (
        ({"method": "ties"}, changed),
        ({"dtype": "float32"}, floating),  # a copy would leave bf16 behind
        ({"method": "ties", "trim": "model"}, floating),
        ({"method": "pcb"}, floating),
    ):
        merge = prepare(folders, [0.6, 0.3], theta0, **options)
        assert set(merge.names) == floating
        assert set(without_unchanged(merge).names) == expected, options
