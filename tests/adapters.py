"""PEFT adapters as its save_pretrained leaves them, written by hand: a folder and its numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

CONFIG = {
    "peft_type": "LORA",
    "base_model_name_or_path": "somewhere",
    "bias": "none",
    "fan_in_fan_out": False,
    "inference_mode": True,
    "init_lora_weights": True,
    "lora_alpha": 16,
    "lora_dropout": 0.1,
    "modules_to_save": None,
    "peft_version": "0.21.2",
    "r": 4,
    "rank_pattern": {},
    "alpha_pattern": {},
    "target_modules": ["q_proj", "v_proj"],
    "task_type": "CAUSAL_LM",
    "use_dora": False,
    "use_rslora": False,
}


def factors(
    outputs: int, inputs: int, rank: int = 4, *, seed: int = 0, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, Tensor]:
    """(A [rank, inputs], B [outputs, rank]), of the size that training leaves."""
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(rank, inputs, generator=generator) * 0.1
    b = torch.randn(outputs, rank, generator=generator) * 0.02
    return a.to(dtype), b.to(dtype)


def write_adapter(
    folder: Path, tensors: dict[str, Tensor], *, torch_file: bool = False, **settings: Any
) -> Path:
    """adapter_config.json and the tensors, whose names get PEFT's prefix."""
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **settings}))
    named = {f"base_model.model.{name}": tensor.contiguous() for name, tensor in tensors.items()}
    if torch_file:
        torch.save(named, folder / "adapter_model.bin")
    else:
        save_file(named, folder / "adapter_model.safetensors", metadata={"format": "pt"})
    return folder


def on_modules(
    modules: dict[str, tuple[int, int]], rank: int = 4, *, seed: int = 0
) -> dict[str, Tensor]:
    """Factors of linear modules {name: (outputs, inputs)} under PEFT's names."""
    found = {}
    for i, (module, (outputs, inputs)) in enumerate(modules.items()):
        a, b = factors(outputs, inputs, rank, seed=100 * seed + i)
        found |= {f"{module}.lora_A.weight": a, f"{module}.lora_B.weight": b}
    return found
