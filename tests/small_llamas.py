"""Checkpoints with a Llama's names and config, a few numbers each: for merges of files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

WIDTH, TOKENS = 8, 12
LAYER = {
    "self_attn.q_proj.weight": (WIDTH, WIDTH),
    "mlp.up_proj.weight": (2 * WIDTH, WIDTH),
    "input_layernorm.weight": (WIDTH,),
}


def llama(
    layers: int = 4, *, seed: int = 0, dtype: torch.dtype = torch.float32, tied: bool = False
) -> dict[str, Tensor]:
    """A state dict of random numbers."""
    generator = torch.Generator().manual_seed(seed)
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (TOKENS, WIDTH)}
    for i in range(layers):
        shapes |= {f"model.layers.{i}.{name}": shape for name, shape in LAYER.items()}
    shapes["model.norm.weight"] = (WIDTH,)
    if not tied:
        shapes["lm_head.weight"] = (TOKENS, WIDTH)
    return {n: torch.randn(s, generator=generator).to(dtype) for n, s in shapes.items()}


def save(folder: Path, state: Mapping[str, Tensor], **config: Any) -> str:
    """Write a folder as transformers does; `config` adds to config.json, None takes away."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file(dict(state), folder / "model.safetensors")
    layers = {int(n.split(".")[2]) for n in state if n.startswith("model.layers.")}
    written = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "num_hidden_layers": len(layers),
        "vocab_size": TOKENS,
        "tie_word_embeddings": "lm_head.weight" not in state,
        **config,
    }
    written = {key: value for key, value in written.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(written))
    return str(folder)


def family(folder: Path, n: int = 3, **options: Any) -> tuple[str, list[str]]:
    """Folders of a base and of n fine-tunes of it."""
    base = llama(seed=100, **options)
    paths = []
    for i in range(n):
        change = llama(seed=i, **options)
        tuned = {k: (v.float() + 0.1 * change[k].float()).to(v.dtype) for k, v in base.items()}
        paths.append(save(folder / f"tuned{i}", tuned))
    return save(folder / "base", base), paths
