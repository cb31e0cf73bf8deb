"""A Llama of 301.5 M parameters in bf16 and six fine-tunes of it, made once in a cache folder."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path

COUNT = 6
DEFAULT_CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "taujp-benchmarks"


def models(cache: Path) -> tuple[Path, list[Path]]:
    """(base, fine-tunes): folders as save_pretrained writes them."""
    folder = cache / "llama-300m"
    base, tuned = folder / "base", [folder / f"tuned-{i}" for i in range(COUNT)]
    if not (folder / "complete").exists():
        print(f"making a base and {COUNT} fine-tunes (4.2 GB) in {folder}", flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        make(base, tuned)
        (folder / "complete").touch()
    return base, tuned


def make(base: Path, tuned: list[Path]) -> None:
    """Random weights as transformers initialises them; changes of a tenth of their deviation."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=1024,
        intermediate_size=2816,
        num_hidden_layers=20,
        num_attention_heads=16,
        num_key_value_heads=8,
        vocab_size=32000,
        tie_word_embeddings=False,
        dtype="bfloat16",
    )
    torch.manual_seed(0)
    model = LlamaForCausalLM(config).to(torch.bfloat16)
    count = sum(p.numel() for p in model.parameters())
    print(f"{count / 1e6:.1f} M parameters")
    model.save_pretrained(base)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    for path in tuned:
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                change = torch.randn(parameter.shape, dtype=torch.bfloat16) * 0.002
                parameter.copy_(start[name] + change)
        model.save_pretrained(path)


def deep(cache: Path, tensors: int = 16_000, inputs: int = 3) -> list[Path]:
    """Llamas of so many small tensors: 9 a layer, and 3 around them."""
    import torch
    from safetensors.torch import save_file

    folder = cache / f"deep-{tensors}"
    paths = [folder / str(i) for i in range(inputs)]
    if (folder / "complete").exists():
        return paths
    layers = (tensors - 3) // 9
    shutil.rmtree(folder, ignore_errors=True)
    for i, path in enumerate(paths):
        path.mkdir(parents=True)
        generator = torch.Generator().manual_seed(i)
        state = {
            name: torch.randn(shape, generator=generator).to(torch.bfloat16)
            for name, shape in deep_shapes(layers).items()
        }
        save_file(state, path / "model.safetensors", metadata={"format": "pt"})
        (path / "config.json").write_text(json.dumps(deep_config(layers)))
    (folder / "complete").touch()
    return paths


def deep_shapes(layers: int, width: int = 32) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a Llama of that depth."""
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (64, width),
        "model.norm.weight": (width,),
        "lm_head.weight": (64, width),
    }
    for i in range(layers):
        for part in ("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o"):
            shapes[f"model.layers.{i}.{part}_proj.weight"] = (width, width)
        for part in ("gate", "up", "down"):
            shapes[f"model.layers.{i}.mlp.{part}_proj.weight"] = (width, width)
        for part in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"model.layers.{i}.{part}.weight"] = (width,)
    return shapes


def deep_config(layers: int, width: int = 32) -> dict[str, object]:
    """The config.json of it."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": width,
        "intermediate_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
        "vocab_size": 64,
        "torch_dtype": "bfloat16",
    }


def weights_of(folder: Path) -> list[Path]:
    """The weight files of a folder."""
    return sorted(folder.glob("*.safetensors"))


class Scratch:
    """A folder for outputs beside the inputs, on the same disk, removed at the end."""

    def __init__(self, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self.folder = Path(tempfile.mkdtemp(prefix="out-", dir=cache))
        self.made = 0

    def __enter__(self) -> Scratch:
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def new(self) -> Path:
        """A path that does not exist; what earlier ones hold is removed."""
        for old in self.folder.iterdir():
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        self.made += 1
        return self.folder / str(self.made)
