"""The live edit: what it writes, what it puts back, and its gradient."""

from __future__ import annotations

import pytest
import torch

import taujp
from taujp import CheckpointError, MergeError, TaskVector


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Linear(12, 20), torch.nn.BatchNorm1d(20), torch.nn.GELU(), torch.nn.Linear(20, 3)
    )


@pytest.fixture
def setting():
    model = network()
    base = {name: t.detach().clone() for name, t in model.state_dict().items()}
    generator = torch.Generator().manual_seed(1)
    tuned = [
        {
            name: t + 0.1 * torch.randn(t.shape, generator=generator)
            if t.is_floating_point()
            else t
            for name, t in base.items()
        }
        for _ in range(3)
    ]
    return model, base, tuned, taujp.edit(model, base, [TaskVector(base, t) for t in tuned])


def test_edit_writes_what_merge_many_returns(setting):
    model, base, tuned, edit = setting
    edit([0.2, 0.5, -0.1])
    expected = taujp.merge_many(tuned, [0.2, 0.5, -0.1], base)
    assert all(torch.equal(t, expected[name]) for name, t in model.state_dict().items())
    edit.restore()
    assert all(torch.equal(t, base[name]) for name, t in model.state_dict().items())


def test_gradient_in_the_coefficients(setting):
    model, base, tuned, edit = setting
    model.eval()
    inputs = torch.randn(8, 12)
    coefs = torch.tensor([0.2, 0.5, -0.1], requires_grad=True)
    edit.call(coefs, inputs).square().sum().backward()

    plain = torch.tensor([0.2, 0.5, -0.1], requires_grad=True)
    state = {
        name: base[name]
        + sum(c * (t[name] - base[name]) for c, t in zip(plain, tuned, strict=True))
        for name, _ in model.named_parameters()
    }
    torch.func.functional_call(model, state, (inputs,)).square().sum().backward()
    assert torch.allclose(coefs.grad, plain.grad, rtol=1e-4)


def test_coefficients_can_be_learned(setting):
    model, _, _, edit = setting
    model.eval()
    inputs = torch.randn(64, 12)
    edit([0.0, 1.0, 0.0])
    target = model(inputs).detach()
    coefs = torch.zeros(3, requires_grad=True)
    optimizer = torch.optim.Adam([coefs], lr=0.05)
    for _ in range(150):
        optimizer.zero_grad()
        (edit.call(coefs, inputs) - target).square().mean().backward()
        optimizer.step()
    assert coefs.detach().tolist() == pytest.approx([0.0, 1.0, 0.0], abs=0.05)


def test_a_stale_graph_is_noticed(setting):
    _, _, _, edit = setting
    coefs = torch.zeros(3, requires_grad=True)
    loss = edit.call(coefs, torch.randn(4, 12)).sum()
    edit([1.0, 0.0, 0.0])
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_parts_outside_the_vectors_stay(setting):
    model, base, _, _ = setting
    part = {name: t for name, t in base.items() if name.startswith("0.")}
    edit = taujp.edit(model, part, [TaskVector(part, {n: t + 1 for n, t in part.items()})])
    edit([1.0])
    assert torch.equal(model.state_dict()["3.weight"], base["3.weight"])
    assert torch.allclose(model.state_dict()["0.weight"], base["0.weight"] + 1)


def test_errors(setting):
    model, base, tuned, edit = setting
    with pytest.raises(MergeError, match="2 coefficients for 3"):
        edit([1.0, 2.0])
    with pytest.raises(MergeError, match="finite"):
        edit([1.0, 2.0, float("nan")])
    with pytest.raises(CheckpointError, match="the model is not the base's"):
        taujp.edit(torch.nn.Linear(3, 3), base, [TaskVector(base, tuned[0])])
    with pytest.raises(MergeError, match="no task vectors"):
        taujp.edit(model, base, [])
