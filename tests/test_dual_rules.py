"""The rules of attention and in-place operations, in the forms that models call them."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import taujp
from small_models import assert_same, moved, some_tau, twin
from taujp.tangent import TangentError


class Attends(nn.Module):
    """q, k and v of one input, then attention as `options` say."""

    def __init__(self, **options) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(8, 8) for _ in range(3))
        self.options = options

    def forward(self, x):
        q, k, v = (one(x).unflatten(-1, (2, 4)).transpose(1, 2) for one in (self.q, self.k, self.v))
        out = functional.scaled_dot_product_attention(q, k, v, **self.options)
        return out.transpose(1, 2).flatten(2)


def sequence(n: int = 3, tokens: int = 5, width: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(n, tokens, width, generator=generator, dtype=torch.float64)


def assert_like_the_twin(model: nn.Module, x: torch.Tensor) -> None:
    """Value and gradients of the back end dual, without falling back."""
    model = model.double().eval()
    tau = {name: value.requires_grad_() for name, value in some_tau(model, 0.3).items()}
    f0, df = twin(model, tau, x)
    lin = taujp.linearize(model, moved(model, tau), backend="dual")
    mine = lin.dual(x)
    assert_same(mine[0], f0)
    assert_same(mine[1], df)
    df.sin().sum().backward()
    mine[1].sin().sum().backward()
    for name, value in tau.items():
        if value.grad is None:
            assert lin.module.get_parameter(name).grad is None, name
            continue
        # the keys' bias shifts all scores alike: its gradient is zero but for rounding
        scale = value.grad.abs().max().clamp(min=1e-2)
        assert (lin.module.get_parameter(name).grad - value.grad).abs().max() <= 1e-12 * scale, name


MASKS = {
    "boolean": torch.ones(5, 5, dtype=torch.bool).tril(),
    "numbers": torch.linspace(-2, 2, 25, dtype=torch.float64).view(1, 1, 5, 5),
    "a batch": torch.linspace(-2, 2, 75, dtype=torch.float64).view(3, 1, 5, 5),
    "a row": torch.linspace(-2, 2, 5, dtype=torch.float64).view(1, 5).expand(5, 5),
}


@pytest.mark.parametrize("mask", list(MASKS))
def test_masks(mask):
    assert_like_the_twin(Attends(attn_mask=MASKS[mask]), sequence())


def test_causal_and_scaled():
    assert_like_the_twin(Attends(is_causal=True, scale=0.7), sequence())


def test_random_attention_is_refused():
    lin = taujp.linearize(Attends(dropout_p=0.1).double(), backend="dual")
    with pytest.raises(TangentError, match=r"dropout_p = 0\.1 is random"):
        lin(sequence())


class MultiHead(nn.Module):
    """nn.MultiheadAttention in the ways it can be called."""

    def __init__(self, how: str, batch_first: bool = True) -> None:
        super().__init__()
        self.attn, self.how = nn.MultiheadAttention(8, 2, batch_first=batch_first), how
        self.other = nn.Linear(8, 8)

    def forward(self, x):
        options = {"need_weights": False}
        k = v = x
        if self.how == "cross":
            k = v = self.other(x)
        if self.how == "three":
            k, v = self.other(x), x.sin()
        if self.how == "padding":
            options["key_padding_mask"] = torch.arange(x.shape[1]).expand(x.shape[:2]) > 2
        if self.how == "both masks":
            options["key_padding_mask"] = torch.arange(x.shape[1]).expand(x.shape[:2]) > 3
            options["attn_mask"] = torch.ones(5, 5, dtype=torch.bool).triu(1)
        if self.how == "a mask a head":
            options["attn_mask"] = torch.linspace(-1, 1, 150, dtype=x.dtype).view(6, 5, 5)
        return self.attn(x, k, v, **options)[0]


HOW = ["self", "cross", "three", "padding", "both masks", "a mask a head"]


@pytest.mark.parametrize("how", HOW)
def test_multi_head(how):
    assert_like_the_twin(MultiHead(how), sequence())


def test_multi_head_tokens_first():
    assert_like_the_twin(MultiHead("self", batch_first=False), sequence())


class Changes(nn.Module):
    """Writes in place where nobody else looks."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x):
        y = self.a(x) * 2
        y += self.b(x).square()
        y.mul_(0.5).add_(1.0)
        y -= self.a(x).sigmoid()
        return functional.relu(y, inplace=True)


def test_in_place_where_nobody_shares_the_memory():
    assert_like_the_twin(Changes(), sequence())


def test_writing_into_a_row_is_refused():
    class Row(Changes):
        def forward(self, x):
            y = self.a(x)
            y[:, 0] = 1
            return y

    with pytest.raises(TangentError, match="__setitem__ writes into a tensor"):
        taujp.linearize(Row().double(), backend="dual")(sequence())


def test_no_grad_inside_a_model_is_refused_where_its_gradient_would_be_lost():
    class Mean(Changes):
        def forward(self, x):
            with torch.no_grad():
                mean = self.a(x).mean()
            return self.b(x) - mean

    lin = taujp.linearize(Mean().double(), backend="dual")
    with pytest.raises(TangentError, match="where autograd does not record"):
        lin(sequence())
