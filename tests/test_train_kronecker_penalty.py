"""The dataless penalty: its value, its gradient, and what it does in training."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

import taujp
from exact_factors import X, at, exact
from small_clip import colour_images, head_of, side_images, small_clip
from small_models import assert_same, some_tau, tokens_model
from taujp.tangent.kronecker import gather_factors, quadratic_form
from taujp.tangent.kronecker.sums import as_matrix
from taujp.train import Recipe, finetune
from taujp.train.penalties import Kronecker, Orthogonal, TauJp


def test_value_is_the_trace_and_its_gradient_the_closed_form():
    torch.manual_seed(0)
    dw = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    g, a = (m @ m.T for m in (torch.randn(4, 4).double(), torch.randn(3, 3).double()))
    value = quadratic_form(dw, g, a)
    assert_same(value.detach(), torch.trace(g @ dw @ a @ dw.T).detach())
    value.backward()
    assert_same(dw.grad, 2 * g @ dw.detach() @ a)
    assert torch.autograd.gradcheck(lambda w: quadratic_form(w, g, a), dw)
    with pytest.raises(RuntimeError):
        torch.func.jvp(lambda w: quadratic_form(w, g, a), (dw.detach(),), (dw.detach(),))


def test_the_form_is_not_computed_in_half_precision():
    torch.manual_seed(0)
    dw, a = torch.randn(8, 8), torch.eye(8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(quadratic_form(dw, a, a), dw.square().sum())


def test_the_penalty_is_the_sum_over_blocks_and_zero_at_the_start():
    model, factors = tokens_model(), exact(tokens_model(), X)
    tau = some_tau(model)
    expected = 0.0
    for block in factors.blocks.values():
        dw = as_matrix(tau[block.weight])[block.first : block.last]
        if block.bias:
            dw = torch.cat([dw, tau[block.bias][block.first : block.last, None]], dim=1)
        left, right = block.left / block.left.trace(), block.right
        expected += torch.trace(left @ dw @ right @ dw.T).item()
    penalty = Kronecker(factors)
    assert penalty.value({}, at(model, tau)).item() == pytest.approx(expected, rel=1e-12)
    start = taujp.linearize(model)
    value = penalty.value({}, start)
    value.backward()
    assert value.item() == 0
    assert all(not p.grad.abs().sum() for p in start.module.parameters())


def test_what_is_frozen_counts_as_zero():
    model, factors = tokens_model(), exact(tokens_model(), X)
    tau = some_tau(model)
    kept = {name: t if "attn" in name else torch.zeros_like(t) for name, t in tau.items()}
    value = Kronecker(factors).value({}, at(model, tau, trainable="attention"))
    assert value.item() == pytest.approx(Kronecker(factors).value({}, at(model, kept)).item())
    weights = {n: t if n.endswith("proj_weight") else torch.zeros_like(t) for n, t in tau.items()}
    value = Kronecker(factors).value({}, at(model, tau, trainable=["*proj_weight"]))
    assert value.item() == pytest.approx(Kronecker(factors).value({}, at(model, weights)).item())


def test_low_rank_changes_are_penalised_as_their_product():
    model, factors = tokens_model(), exact(tokens_model(), X)
    lin = taujp.linearize(model, rank=2)
    with torch.no_grad():
        for left in lin.low_rank.left:
            left.normal_()
    full = {**{n: torch.zeros_like(p) for n, p in model.named_parameters()}, **lin.task_vector()}
    value = Kronecker(factors).value({}, lin)
    assert value.item() == pytest.approx(Kronecker(factors).value({}, at(model, full)).item())
    value.backward()
    assert all(left.grad.abs().sum() > 0 for left in lin.low_rank.left)


def test_trained_parameters_without_factors_are_named():
    model = tokens_model()
    factors = exact(model, X[:1], exclude=["head*"])
    with pytest.raises(ValueError, match=r"\['head.weight', 'head.bias'\] are trained"):
        Kronecker(factors).value({}, taujp.linearize(model))
    Kronecker(factors, exclude=["head*"]).value({}, taujp.linearize(model))
    frozen = taujp.linearize(model, trainable=["blocks*"])
    assert Kronecker(factors).value({}, frozen).item() == 0


# In training


def test_the_penalty_trains_and_keeps_the_control_features(tmp_path):
    model = small_clip()
    control = colour_images(40, 3).tensors[0].flip(-1)
    factors = gather_factors(model, None, TensorDataset(control), images=40, draws=4)
    path = factors.save(tmp_path / "f.safetensors")
    head = nn.Linear(16, 3)
    recipe = Recipe(steps=20, batch_size=16, learning_rate=3e-3, weight_decay=0.0, warmup_steps=2)
    drift = []
    for penalties in ((), (Kronecker(path, weight=100.0),)):
        tuned = finetune(
            model,
            head,
            colour_images(60, 0),
            recipe,
            mode="linear",
            penalties=penalties,
            progress=False,
        )
        base = {name: model.state_dict()[name] for name in tuned.state}
        vector = taujp.TaskVector(base, tuned.state)
        drift.append(taujp.tau_jp(model, None, vector, [control]))
    assert drift[1] < 0.5 * drift[0]


@pytest.mark.parametrize("mode", ["standard", "linear", "attention", "lora"])
def test_any_penalties_add_up_in_every_mode(mode, tmp_path):
    model, train = small_clip(), colour_images(30, 0)
    penalties = [
        TauJp({"side": side_images(20, 1)}, weight=0.2, batch_size=4),
        TauJp({"side": side_images(20, 1)}, weight=0.3, batch_size=4, squared=True),
        Kronecker(gather_factors(model, None, side_images(4, 1)), weight=5.0),
        Orthogonal(weight=0.01),
    ]
    recipe = Recipe(steps=3, batch_size=8, learning_rate=1e-2, warmup_steps=0)
    log = tmp_path / "log.jsonl"
    finetune(
        model,
        head_of(model, ("red", "green", "blue")),
        train,
        recipe,
        mode=mode,
        penalties=penalties,
        log=log,
        progress=False,
    )
    last = json.loads(log.read_text().splitlines()[-1])
    values = [last[name] for name in ("tau_jp", "tau_jp_2", "kronecker", "orthogonal")]
    assert all(value > 0 for value in values)
    total = last["cross_entropy"] + 0.2 * values[0] + 0.3 * values[1]
    assert last["loss"] == pytest.approx(total + 5 * values[2] + 0.01 * values[3], rel=1e-5)
