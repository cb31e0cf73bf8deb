"""Lazy task vectors: the algebra is linear, and what it stands for is right."""

from __future__ import annotations

import math

import pytest
import torch

import taujp
from states import random_states
from taujp import CheckpointError, MergeError, TaskVector


@pytest.fixture
def model():
    base, ckpts = random_states(3)
    return base, ckpts, [TaskVector(base, c) for c in ckpts]


def flat(state: dict) -> torch.Tensor:
    return torch.cat([state[name].double().flatten() for name in sorted(state)])


def tau(base: dict, finetuned: dict) -> torch.Tensor:
    return flat({name: finetuned[name] - base[name] for name in base})


def test_apply_is_task_arithmetic_bit_for_bit(model):
    base, ckpts, (a, b, c) = model
    merged = (0.4 * a - b + c / 2).apply(base)
    expected = taujp.merge_many(ckpts, [0.4, -1.0, 0.5], base)
    assert all(torch.equal(merged[name], expected[name]) for name in base)


def test_analogy_cancels_what_is_shared(model):
    base, ckpts, (a, b, c) = model
    analogy = c + (b - a)
    assert torch.allclose(
        flat(analogy.apply(base)),
        flat(base) + tau(base, ckpts[2]) + tau(base, ckpts[1]) - tau(base, ckpts[0]),
        atol=1e-6,
    )
    assert len((a - a).terms) == 0
    assert torch.equal(flat((a - a).apply(base)), flat(base))


def test_sum_and_scale(model):
    base, ckpts, vectors = model
    total = flat(sum(vectors).apply(base, 0.3))
    expected = flat(base) + 0.3 * sum(tau(base, c) for c in ckpts)
    assert torch.allclose(total, expected, atol=1e-6)


def test_measures_match_float64(model):
    base, ckpts, vectors = model
    taus = torch.stack([tau(base, c) for c in ckpts])
    dots = taus @ taus.T
    assert vectors[0].dot(vectors[1]) == pytest.approx(dots[0, 1].item(), rel=1e-9, abs=1e-9)
    assert vectors[2].norm() == pytest.approx(math.sqrt(dots[2, 2].item()), rel=1e-9)
    cosines = dots / dots.diagonal().sqrt().outer(dots.diagonal().sqrt())
    assert torch.allclose(taujp.cosine_matrix(vectors), cosines, atol=1e-9)
    combined = 2.0 * vectors[0] - vectors[1]
    assert combined.norm() == pytest.approx((2 * taus[0] - taus[1]).norm().item(), rel=1e-6)


def test_equal_checkpoints_have_norm_zero(model, tmp_path):
    base, _, _ = model
    copy = {name: tensor.clone() for name, tensor in base.items()}
    zero = TaskVector(base, copy)
    assert zero.norm() == 0.0
    assert taujp.cosine_matrix([zero, zero]).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_saved_vectors_come_back(model, tmp_path):
    base, _, (a, b, _) = model
    path = a.save(tmp_path / "a.safetensors")
    loaded = TaskVector.load(path)
    assert torch.equal(flat(loaded.apply(base)), flat(a.apply(base)))
    assert loaded.norm() == pytest.approx(a.norm(), rel=1e-6)
    mixed = (loaded + b).apply(base)
    assert torch.allclose(flat(mixed), flat((a + b).apply(base)), atol=1e-6)


def test_vectors_of_different_bases_add_up(model):
    base, ckpts, _ = model
    other = {name: tensor + 1.0 for name, tensor in base.items()}
    vector = TaskVector(other, ckpts[0]) + TaskVector(base, ckpts[1])
    expected = flat(base) + (flat(ckpts[0]) - flat(other)) + tau(base, ckpts[1])
    assert torch.allclose(flat(vector.apply(base)), expected, atol=1e-5)


def test_what_makes_no_sense_is_refused(model, tmp_path):
    base, ckpts, (a, b, _) = model
    with pytest.raises(TypeError, match=r"a\.dot\(b\)"):
        a * b
    with pytest.raises(MergeError, match="finite"):
        a * float("inf")
    taujp.merge_many(ckpts, [1, 0, 0], out=tmp_path / "model.safetensors")
    with pytest.raises(MergeError, match="holds a model"):
        TaskVector.load(tmp_path / "model.safetensors")
    with pytest.raises(MergeError, match=r"\.safetensors"):
        a.save(tmp_path / "vector.pt")
    with pytest.raises(CheckpointError, match="lacks"):
        TaskVector(base, {"norm": base["norm"]}).apply(base)
