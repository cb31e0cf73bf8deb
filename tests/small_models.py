"""Small random modules for the tests of tangents, and plain torch.func as their twin."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.nn.attention import SDPBackend, sdpa_kernel


class Block(nn.Module):
    """A transformer block over tokens [n, tokens, width], in plain torch modules."""

    def __init__(self, width: int = 16, heads: int = 2) -> None:
        super().__init__()
        self.ln_1, self.ln_2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.ln_1(x)
        x = x + self.attn(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.ln_2(x))


class Tokens(nn.Module):
    """Two blocks and a head on their mean: [n, tokens, width] to [n, 5]."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.head = nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(x).mean(1))


def tokens_model(seed: int = 0) -> Tokens:
    torch.manual_seed(seed)
    return Tokens().double().eval()


def some_tau(model: nn.Module, scale: float = 0.1, seed: int = 1) -> dict[str, Tensor]:
    """A random task vector of the model."""
    generator = torch.Generator().manual_seed(seed)
    return {
        name: scale * torch.randn(value.shape, generator=generator, dtype=torch.float64).to(value)
        for name, value in model.named_parameters()
    }


def moved(model: nn.Module, tau: dict[str, Tensor]) -> dict[str, Tensor]:
    """theta0 + tau by name."""
    return {
        name: value.detach() + tau[name] for name, value in model.named_parameters() if name in tau
    }


def twin(model: nn.Module, tau: dict[str, Tensor], *args: Tensor) -> tuple[Tensor, Tensor]:
    """(f0, J tau) by torch.func.jvp, differentiable in tau."""
    theta0 = {name: value.detach() for name, value in model.named_parameters()}
    full = {name: tau.get(name, torch.zeros_like(value)) for name, value in theta0.items()}
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            return jvp(lambda p: functional_call(model, p, args), (theta0,), (full,))
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def assert_same(a: Tensor, b: Tensor, relative: float = 1e-12, what: str = "") -> None:
    """Largest difference within `relative` of b's largest entry."""
    scale = b.abs().max().clamp(min=1e-30)
    error = ((a - b).abs().max() / scale).item()
    assert error <= relative, f"{what}: off by {error:.2e} of the largest entry"
