"""A small decoder, adapters of it, and their merge by hand."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from reference_merge_lora import change

ATTENTION = "model.layers.{}.self_attn.{}_proj"
MODULES = {
    ATTENTION.format(0, "q"): (24, 24),
    ATTENTION.format(0, "v"): (12, 24),
    ATTENTION.format(1, "q"): (24, 24),
    "model.layers.1.mlp.down_proj": (24, 40),
}
Q, V = f"{ATTENTION.format(0, 'q')}.weight", f"{ATTENTION.format(0, 'v')}.weight"


def decoder() -> dict[str, Tensor]:
    """Its weights, and a buffer of integers."""
    generator = torch.Generator().manual_seed(5)
    shapes = {"model.embed_tokens.weight": (50, 24), "model.norm.weight": (24,)}
    for layer in range(2):
        shapes |= {
            f"{ATTENTION.format(layer, 'q')}.weight": (24, 24),
            f"{ATTENTION.format(layer, 'q')}.bias": (24,),
            f"{ATTENTION.format(layer, 'v')}.weight": (12, 24),
            f"model.layers.{layer}.mlp.down_proj.weight": (24, 40),
        }
    state = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {**state, "steps": torch.arange(3)}


def saved(state: dict[str, Tensor], folder: Path, dtype: torch.dtype | None = None) -> Path:
    """It as a folder; its floating tensors in a dtype."""
    folder.mkdir()
    cast = {n: t.to(dtype) if dtype and t.is_floating_point() else t for n, t in state.items()}
    save_file(cast, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return folder


def pair(tensors: dict[str, Tensor], module: str) -> tuple[Tensor, Tensor]:
    """A and B."""
    return tensors[f"{module}.lora_A.weight"], tensors[f"{module}.lora_B.weight"]


def merged_by_hand(
    base: dict[str, Tensor],
    adapters: list[dict[str, Tensor]],
    row: list[float],
    dtype: torch.dtype,
) -> dict[str, Tensor]:
    """theta0 + sum_i c_i scale B_i A_i, float64, of theta0 in a dtype."""
    found = {}
    for name, tensor in base.items():
        module = name.removesuffix(".weight")
        total = tensor.to(dtype).double()
        for tensors, c in zip(adapters, row, strict=True):
            if f"{module}.lora_A.weight" in tensors:
                total = total + c * change(*pair(tensors, module), 4.0)
        found[name] = total
    return found
