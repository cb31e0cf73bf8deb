"""The linearised model: what it computes, its gradient, and what it refuses."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

import taujp
from small_models import assert_same, moved, some_tau, tokens_model, twin
from taujp.tangent import Linearized, TangentError

WAYS = {
    "dual": {"backend": "dual"},
    "generic": {"backend": "generic"},
    "dual, chunks": {"backend": "dual", "chunk": 2},
    "generic, chunks": {"backend": "generic", "chunk": 3},
}


@pytest.fixture(params=list(WAYS))
def way(request) -> dict:
    return WAYS[request.param]


@pytest.fixture
def model() -> nn.Module:
    return tokens_model()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.randn(5, 7, 16, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


def at(model: nn.Module, seed: int = 1, **options) -> Linearized:
    return taujp.linearize(model, moved(model, some_tau(model, seed=seed)), **options)


def gradients(lin: Linearized, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Of a loss that depends on both parts of the output."""
    f0, df = lin.dual(x)
    weight = torch.linspace(-1, 1, df.numel(), dtype=df.dtype).view_as(df)
    ((f0 + df).square().mean() + (df * weight).sum() + df.norm(dim=-1).mean()).backward()
    return {name: p.grad for name, p in lin.module.named_parameters() if p.grad is not None}


def test_at_theta0_it_is_the_model(model, x, way):
    lin = taujp.linearize(model, **way)
    assert_same(lin(x), model(x), 1e-14)
    f0, df = lin.dual(x)
    assert not f0.requires_grad
    assert not df.any()


def test_value_and_every_gradient_are_plain_torchs(model, x, way):
    tau = {name: value.requires_grad_() for name, value in some_tau(model).items()}
    f0, df = twin(model, tau, x)
    weight = torch.linspace(-1, 1, df.numel(), dtype=df.dtype).view_as(df)
    ((f0 + df).square().mean() + (df * weight).sum() + df.norm(dim=-1).mean()).backward()
    lin = at(model, **way)
    assert_same(lin.dual(x)[0], f0, what="f0")
    assert_same(lin.dual(x)[1], df, what="df")
    found = gradients(lin, x)
    assert found.keys() == tau.keys()
    for name, grad in found.items():
        # the keys' bias shifts all scores alike: its gradient is zero but for rounding
        scale = tau[name].grad.abs().max().clamp(min=1e-6)
        assert (grad - tau[name].grad).abs().max() <= 1e-12 * scale, name


def test_it_is_linear_in_theta(model, x, way):
    a, b = some_tau(model, seed=3), some_tau(model, seed=4)
    both = {name: 0.3 * a[name] - 2 * b[name] for name in a}
    one, two, sum_ = (
        taujp.linearize(model, moved(model, tau), **way).dual(x)[1] for tau in (a, b, both)
    )
    assert_same(sum_, 0.3 * one - 2 * two, 1e-11)


def test_training_goes_on_where_the_gradient_says(model, x, way):
    lin = taujp.linearize(model, **way)
    optimiser = torch.optim.SGD([p for p in lin.parameters() if p.requires_grad], lr=0.05)
    target = torch.arange(5) % 5
    losses = []
    for _ in range(8):
        loss = functional.cross_entropy(lin(x), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.9 * losses[0]


def test_many_tangents_from_one_primal_are_the_single_ones(model, x, way):
    taus = [some_tau(model, seed=seed) for seed in (5, 6, 7)]
    taus[1] = {name: value for name, value in taus[1].items() if "attn" in name}
    f0, dfs = taujp.linearize(model, **way).tangents(x, task_vectors=taus)
    for tau, df in zip(taus, dfs, strict=True):
        expected = twin(model, tau, x)
        assert_same(f0, expected[0])
        assert_same(df, expected[1])


def test_attention_only(model, x, way):
    lin = taujp.linearize(model, trainable="attention", **way)
    assert all("attn" in name for name in lin.theta0)
    assert len(lin.theta0) == 8
    tau = {name: value for name, value in some_tau(model).items() if "attn" in name}
    with torch.no_grad():
        for name, value in tau.items():
            lin.module.get_parameter(name).add_(value)
    assert_same(lin.dual(x)[1], twin(model, tau, x)[1])
    assert gradients(lin, x).keys() == tau.keys()


def test_low_rank(model, x, way):
    lin = taujp.linearize(model, rank=2, **way)
    assert lin.low_rank is not None
    with torch.no_grad():
        for factor in lin.low_rank.left:
            factor.normal_(generator=torch.Generator().manual_seed(8))
    tau = lin.task_vector()
    assert all(torch.linalg.matrix_rank(value) == 2 for value in tau.values())
    expected = twin(model, tau, x)[1]
    df = lin.dual(x)[1]
    assert_same(df, expected)
    (df.sin().sum()).backward()
    leaves = {name: value.clone().requires_grad_() for name, value in tau.items()}
    twin(model, leaves, x)[1].sin().sum().backward()
    for name, b, a in zip(lin.low_rank.names, lin.low_rank.left, lin.low_rank.right, strict=True):
        assert_same(b.grad, leaves[name].grad @ a.T, what=name)
        assert_same(a.grad, b.T @ leaves[name].grad, what=name)
    plain = lin.delinearize()
    assert_same(plain.head.weight, model.head.weight + tau["head.weight"], 1e-14)


def test_normalised_features(model, x, way):
    tau = some_tau(model)
    f0, df = at(model, normalised=True, **way).dual(x)
    raw, draw = twin(model, tau, x)
    norm = raw.norm(dim=-1, keepdim=True)
    assert_same(f0, raw / norm)
    assert_same(df, draw / norm - raw * (raw * draw).sum(-1, keepdim=True) / norm**3)


def test_without_grad_mode_nothing_is_recorded(model, x, way):
    lin = at(model, **way)
    expected = lin(x).detach()
    with torch.no_grad():
        out = lin(x)
    assert not out.requires_grad
    assert_same(out, expected, 1e-14)


def test_states(model, x):
    lin = at(model)
    tau = some_tau(model)
    for name, value in lin.task_vector().items():
        assert_same(value, tau[name], 1e-14)
    assert lin.state().keys() == model.state_dict().keys()
    plain = lin.delinearize()
    assert_same(plain(x), lin.module(x), 1e-15)
    plain.head.weight.data.zero_()
    assert lin.module.head.weight.any()
    assert_same(copy.deepcopy(lin)(x), lin(x), 1e-15)
    assert model.training is False
    assert all(p.grad is None and p.requires_grad for p in model.parameters())


def test_half_precision_models_are_held_in_fp32(x):
    model = tokens_model().to(torch.bfloat16)
    lin = taujp.linearize(model)
    assert {value.dtype for value in lin.theta0.values()} == {torch.float32}
    with pytest.raises(ValueError, match="theta - theta0 is lost in half precision"):
        lin.to(torch.bfloat16)


def test_autocast_forms_tau_in_fp32(x):
    model = tokens_model().float()
    tau = some_tau(model, scale=1e-4)  # below what bf16 can tell apart at theta0
    lin = taujp.linearize(model, moved(model, tau))
    expected = lin.dual(x.float())[1]
    for options in ({}, {"chunk": 2}, {"backend": "generic"}):
        lin = taujp.linearize(model, moved(model, tau), **options)
        with torch.autocast("cpu", torch.bfloat16):
            df = lin.dual(x.float())[1]
        assert ((df.float() - expected).norm() / expected.norm()).item() < 0.02
        df.float().sum().backward()
        assert all(p.grad.isfinite().all() for p in lin.module.parameters())


def test_repr_names_the_back_end(model):
    assert "backend=dual" in repr(taujp.linearize(model))
    assert "backend=generic" in repr(taujp.linearize(model, backend="generic"))


class Writes(nn.Module):
    """Writes into a tensor that another one shares: no rule in place can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)

    def forward(self, x):
        y = self.linear(x)
        first = y[:, 0]
        y += 1
        return y * first.unsqueeze(-1)


def test_auto_goes_to_generic_and_says_so():
    torch.manual_seed(0)
    model = Writes().double()
    x, tau = torch.randn(3, 4, dtype=torch.float64), some_tau(model)
    lin = taujp.linearize(model, moved(model, tau))
    assert_same(lin.dual(x)[1], twin(model, tau, x)[1])
    assert lin.backend == "generic"
    assert "add_" in repr(lin)
    with pytest.raises(TangentError, match="writes into a tensor"):
        taujp.linearize(model, moved(model, tau), backend="dual")(x)


class Hidden(nn.Module):
    """Keeps a parameter where swapping cannot reach it."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, 4, dtype=torch.float64))
        self.hidden = [self.weight]

    def forward(self, x):
        return x @ self.hidden[0] + (x @ self.weight)


def test_a_hidden_parameter_is_found(way):
    lin = taujp.linearize(Hidden(), **way)
    with pytest.raises(TangentError, match="outside of its parameters"):
        lin(torch.randn(2, 4, dtype=torch.float64))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trainable": ["nothing*"]}, "names none of the parameters"),
        ({"chunk": 0}, "chunk is 0"),
        ({"rank": 0}, "rank is 0"),
        ({"backend": "fast"}, "backend is 'fast'"),
        ({"at": {"head.weight": torch.zeros(2, 2)}}, "at does not fit the model"),
        ({"at": {}}, "missing"),
    ],
)
def test_wrong_options_are_named(model, options, message):
    with pytest.raises(ValueError, match=message):
        taujp.linearize(model, **options)


def test_wrong_inputs_are_named(model, x):
    lin = taujp.linearize(model)
    with pytest.raises(ValueError, match="an input requires grad"):
        lin(x.clone().requires_grad_())
    with pytest.raises(ValueError, match=r"task vector 0 has 'head\.weight' \(3,\)"):
        lin.tangents(x, task_vectors=[{"head.weight": torch.zeros(3)}])


def test_tied_weights_move_together():
    torch.manual_seed(0)

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4, bias=False), nn.Linear(4, 4, bias=False)
            self.b.weight = self.a.weight

        def forward(self, x):
            return self.b(self.a(x).tanh())

    model, x = Tied().double(), torch.randn(3, 4, dtype=torch.float64)
    tau = {"a.weight": torch.randn(4, 4, dtype=torch.float64)}
    df = taujp.linearize(model, moved(model, tau) | {"b.weight": model.a.weight + tau["a.weight"]})
    assert_same(df.dual(x)[1], twin(model, tau, x)[1])


class Draws(nn.Module):
    """Drops at random whatever the mode: its gradient would be another sample's."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4, dtype=torch.float64)

    def forward(self, x):
        return functional.dropout(self.linear(x), 0.5, training=True)


def test_a_model_that_draws_random_numbers_is_refused(way):
    with pytest.raises(TangentError, match="random"):
        taujp.linearize(Draws(), **way)(torch.randn(2, 4, dtype=torch.float64))


class Mapped(nn.Module):
    """A torch.func transform inside of a model."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4, dtype=torch.float64)

    def forward(self, x):
        return torch.vmap(lambda row: self.linear(row).tanh())(x)


def test_a_transform_inside_a_model():
    torch.manual_seed(0)
    model, x = Mapped(), torch.randn(3, 4, dtype=torch.float64)
    tau = some_tau(model)
    assert_same(taujp.linearize(model, moved(model, tau)).dual(x)[1], twin(model, tau, x)[1])
