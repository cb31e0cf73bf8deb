"""Cached tangent features: every sum of task vectors is that of the linearised model."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import taujp
from small_models import assert_same, moved, some_tau, tokens_model, twin
from taujp.tangent.features import TangentFeatures


@pytest.fixture
def model():
    return tokens_model()


@pytest.fixture
def taus(model):
    return {name: some_tau(model, seed=seed) for seed, name in enumerate("abc")}


def images(seed: int, count: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, 4, 16, generator=generator, dtype=torch.float64)


def test_features_of_any_sum_are_those_of_the_linearised_model(model, taus):
    x, c = images(0), (0.3, -1.0, 2.0)
    found = taujp.tangent_features(model, None, taus, DataLoader(TensorDataset(x), 3))
    total = {
        name: sum(k * taus[key][name] for k, key in zip(c, "abc", strict=True))
        for name in taus["a"]
    }
    f0, df = twin(model, total, x)
    assert_same(found.at(c), f0 + df)
    assert_same(found.at({"a": 0.3, "b": -1.0, "c": 2.0}), f0 + df)
    assert_same(found.at({}), f0)
    lin = taujp.linearize(model, at=moved(model, total))
    with torch.no_grad():
        assert_same(found.at(c), lin(x))
    assert found.labels is None


def test_many_rows_of_coefficients_at_once(model, taus):
    found = taujp.tangent_features(model, None, taus, [images(0)])
    rows = torch.rand(4, 3, dtype=torch.float64)
    assert found.at(rows).shape == (4, 7, 5)
    for row, features in zip(rows, found.at(rows), strict=True):
        assert_same(features, found.at(row))


def test_features_survive_their_file(model, taus, tmp_path):
    data = TensorDataset(images(0), torch.arange(7))
    path = tmp_path / "new" / "features.safetensors"
    found = taujp.tangent_features(model, None, taus, data, path, batch_size=4)
    again = TangentFeatures.load(path)
    assert again.tasks == found.tasks == ("a", "b", "c")
    for name in ("f0", "tangents", "labels"):
        assert torch.equal(getattr(again, name), getattr(found, name))
    assert torch.equal(again.labels, torch.arange(7))
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_normalised_features_are_linear_too(model, taus):
    x = images(0)
    found = taujp.tangent_features(model, None, taus, [x], normalised=True)
    lin = taujp.linearize(model, at=moved(model, taus["b"]), normalised=True)
    with torch.no_grad():
        assert_same(found.at({"b": 1.0}), lin(x))
    torch.testing.assert_close(found.f0.norm(dim=-1), torch.ones(7, dtype=torch.float64))


def test_senseless_coefficients_and_files_are_refused(model, taus, tmp_path):
    found = taujp.tangent_features(model, None, taus, [images(0)])
    with pytest.raises(ValueError, match=r"shape \(2,\); expected 3"):
        found.at([1.0, 2.0])
    with pytest.raises(ValueError, match=r"no tangents of \['d'\]"):
        found.at({"d": 1.0})
    with pytest.raises(ValueError, match="no task vectors"):
        taujp.tangent_features(model, None, {}, [images(0)])
    save_file({"f0": torch.ones(2)}, tmp_path / "x.safetensors")
    with pytest.raises(ValueError, match="something else"):
        TangentFeatures.load(tmp_path / "x.safetensors")


def test_outputs_that_are_no_features_are_refused(taus):
    model = tokens_model().blocks
    tau = {name: torch.ones_like(value) for name, value in model.named_parameters()}
    with pytest.raises(ValueError, match=r"gives \(7, 4, 16\); expected features \[n, width\]"):
        taujp.tangent_features(model, None, {"a": tau}, [images(0)])
