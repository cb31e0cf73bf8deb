"""Random checkpoints to merge, as training leaves them."""

from __future__ import annotations

import torch
from torch import Tensor

# Shapes that meet every path: registers and their rests, rows of 512, several tiles, 0-d, empty.
SHAPES = {
    "block.weight": (67, 129),
    "block.bias": (129,),
    "embed": (3, 301, 31),
    "norm": (7,),
    "scalar": (),
    "empty": (0, 4),
    "one": (1,),
}


def random_states(
    n: int, dtype: torch.dtype = torch.float32, *, seed: int = 0, size: float = 0.02
) -> tuple[dict[str, Tensor], list[dict[str, Tensor]]]:
    """Weights of deviation 1, changes of deviation `size`: in bf16 many collide and vanish."""
    generator = torch.Generator().manual_seed(seed)

    def like(shape: tuple[int, ...], deviation: float) -> Tensor:
        return torch.randn(shape, generator=generator) * deviation

    base = {name: like(shape, 1.0).to(dtype) for name, shape in SHAPES.items()}
    tuned = [
        {
            name: (theta.float() + like(tuple(theta.shape), size)).to(dtype)
            for name, theta in base.items()
        }
        for _ in range(n)
    ]
    return base, tuned


def on(device: torch.device, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state dict on a device."""
    return {name: tensor.to(device) for name, tensor in state.items()}
