"""Merges with data beside fusion-bench 0.2.33: the same statistics in, the same models out."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import taujp
from fusion_bench_peer import ask, network, reason_for_no_peer
from states import random_states
from taujp.data import Splits
from taujp.train import PreparedTask
from test_fisher import random_fishers

pytestmark = pytest.mark.skipif(reason_for_no_peer() is not None, reason=str(reason_for_no_peer()))


@pytest.mark.parametrize("normalize", [True, False])
def test_fisher(tmp_path, normalize) -> None:
    base, ckpts = random_states(3)
    for state in (base, *ckpts):
        del state["scalar"]  # fusion-bench fails on what has no dimension
    fishers = random_fishers(base)
    row, how = [1.0, 0.5, 2.0], {"normalize": normalize, "floor": 1e-6}
    expected = ask(tmp_path, "fisher", {"models": ckpts, "fishers": fishers}, coefs=row, **how)
    found = taujp.merge_many(ckpts, row, base, method="fisher", fishers=fishers, **how)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1.0, 0.9])
def test_regmean(tmp_path, scale) -> None:
    generator = torch.Generator().manual_seed(0)
    models = [network().state_dict() for _ in range(3)]
    grams = []
    for _ in models:
        inputs = {"0.weight": torch.randn(40, 6, generator=generator)}
        inputs["2.weight"] = torch.randn(40, 10, generator=generator)
        grams.append({name: x.T @ x / len(x) for name, x in inputs.items()})
    expected = ask(tmp_path, "regmean", {"models": models, "grams": grams}, scale=scale)
    found = taujp.merge_many(models, [1, 1, 1], method="regmean", grams=grams, scale=scale)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("by", ["task", "tensor"])
def test_adamerging(tmp_path, by) -> None:
    generator = torch.Generator().manual_seed(1)
    model = network()
    base = {name: value.detach().clone() for name, value in model.state_dict().items()}
    finetuned = {
        task: {n: t + 0.4 * torch.randn(t.shape, generator=generator) for n, t in base.items()}
        for task in "ab"
    }
    tasks, told = [], []
    for name, classes in (("a", 3), ("b", 2)):
        inputs, head = torch.randn(40, 6, generator=generator), nn.Linear(8, classes)
        data = TensorDataset(inputs, torch.zeros(40, dtype=torch.int64))
        tasks.append(PreparedTask(name, head, Splits(data, data, data)))
        told.append({"inputs": inputs, **{n: t.detach() for n, t in head.state_dict().items()}})
    how = {"by": by, "steps": 20, "learning_rate": 0.02}
    sets = {"base": [base], "models": list(finetuned.values()), "tasks": told}
    expected = ask(tmp_path, "adamerging", sets, **how)["coefs"]
    found = taujp.adamerging(model, finetuned, tasks, batch_size=40, **how)
    table = torch.tensor(found.table).T.reshape(expected.shape)
    torch.testing.assert_close(table, expected.clamp(0, 1), rtol=0, atol=1e-4)
