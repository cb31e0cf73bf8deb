"""Tiny random models that transformers makes and saves: a base, three fine-tunes, and zeros."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

transformers = pytest.importorskip("transformers", reason="tiny models are made by transformers")

LAYERS = 4
TUNED = ("a", "b", "c")
WIDTH = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 4,
    "vocab_size": 64,
    "max_position_embeddings": 64,
}
TOKENS = {"bos_token_id": 1, "eos_token_id": 2}
DECODER = {**WIDTH, **TOKENS, "num_key_value_heads": 2}
TOWER = {key: WIDTH[key] for key in list(WIDTH)[:4]}
CLIP = {
    "text_config": {**TOWER, **TOKENS, "vocab_size": 64, "max_position_embeddings": 16},
    "vision_config": {**TOWER, "num_hidden_layers": 3, "image_size": 16, "patch_size": 8},
    "projection_dim": 16,
}
GPT2 = {**TOKENS, "n_embd": 32, "n_layer": LAYERS, "n_head": 4, "vocab_size": 64, "n_positions": 64}
T5 = {
    "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": LAYERS, "num_heads": 4,
    "decoder_start_token_id": 0,
}  # fmt: skip
WHISPER = {
    **TOKENS, "d_model": 32, "encoder_layers": LAYERS, "decoder_layers": LAYERS,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48, "num_mel_bins": 8, "max_source_positions": 16,
    "max_target_positions": 16, "pad_token_id": 0, "decoder_start_token_id": 1,
}  # fmt: skip
# Family -> transformers' names of its configuration and its model, and the configuration's values.
FAMILIES = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", DECODER),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", DECODER),
    "qwen3": ("Qwen3Config", "Qwen3ForCausalLM", {**DECODER, "head_dim": 8}),
    "mistral": ("MistralConfig", "MistralForCausalLM", DECODER),
    "gpt2": ("GPT2Config", "GPT2LMHeadModel", GPT2),
    "bert": ("BertConfig", "BertModel", WIDTH),
    "bert-mlm": ("BertConfig", "BertForMaskedLM", WIDTH),
    "bert-classifier": ("BertConfig", "BertForSequenceClassification", WIDTH),
    "clip": ("CLIPConfig", "CLIPModel", CLIP),
    "gemma": ("GemmaConfig", "GemmaForCausalLM", {**DECODER, "head_dim": 8}),
    "gemma2": ("Gemma2Config", "Gemma2ForCausalLM", {**DECODER, "head_dim": 8}),
    "phi": ("PhiConfig", "PhiForCausalLM", DECODER),
    "phi3": ("Phi3Config", "Phi3ForCausalLM", {**DECODER, "pad_token_id": None}),
    "gpt-neox": ("GPTNeoXConfig", "GPTNeoXForCausalLM", {**WIDTH, **TOKENS}),
    "mixtral": ("MixtralConfig", "MixtralForCausalLM", {**DECODER, "num_local_experts": 2}),
    "mamba": ("MambaConfig", "MambaForCausalLM", {**TOWER, **TOKENS, "state_size": 4}),
    "roberta-mlm": ("RobertaConfig", "RobertaForMaskedLM", WIDTH),
    "t5": ("T5Config", "T5ForConditionalGeneration", T5),
    "whisper": ("WhisperConfig", "WhisperForConditionalGeneration", WHISPER),
    "vit": ("ViTConfig", "ViTForImageClassification", {**TOWER, "image_size": 16, "patch_size": 8}),
}
DECODERS = ("llama", "qwen2", "qwen3", "mistral")


def new_model(family: str, *, tied: bool = False, **changes: Any) -> Any:
    """A model with random weights, the norms' and biases' too; tied: the head is the embedding."""
    config, architecture, values = FAMILIES[family]
    ties = {"tie_word_embeddings": tied} if family in DECODERS else {}
    torch.manual_seed(0)
    made = getattr(transformers, config)(**{**values, **ties, **changes})
    model = getattr(transformers, architecture)(made)
    moved(model, 0.05, torch.Generator().manual_seed(1))
    return model


@torch.no_grad()
def moved(model: Any, size: float, generator: torch.Generator) -> None:
    """Adds noise of that deviation to every parameter, in fp32."""
    for parameter in model.parameters():
        parameter.add_(torch.randn(parameter.shape, generator=generator) * size)


def save_family(
    folder: Path, family: str, dtype: torch.dtype = torch.float32, **options: Any
) -> dict[str, Path]:
    """Saves base, a, b, c (changes of deviation 0.02) and zero; their folders by name."""
    model = new_model(family, **options)
    start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for seed, name in enumerate(("base", *TUNED, "zero")):
        model.load_state_dict(start)
        if name in TUNED:
            moved(model, 0.02, torch.Generator().manual_seed(10 + seed))
        if name == "zero":
            moved_to_zero(model)
        save(model, folder / name, dtype)
    return {name: folder / name for name in ("base", *TUNED, "zero")}


@torch.no_grad()
def moved_to_zero(model: Any) -> None:
    """Its task vectors are then the fine-tunes themselves."""
    for parameter in model.parameters():
        parameter.zero_()


def save(model: Any, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """save_pretrained in a dtype; the model stays as it is."""
    deepcopy(model).to(dtype).save_pretrained(folder)
    return folder


class TinyModels:
    """Folders of families as they are asked for, each family made once a run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[str, dict[str, Path]] = {}

    def __call__(
        self, family: str, dtype: torch.dtype = torch.float32, **options: Any
    ) -> dict[str, Path]:
        """Folders by name: base, a, b, c, zero."""
        key = f"{family}-{dtype}-" + json.dumps(options, sort_keys=True)
        if key not in self.made:
            folder = self.folder / str(len(self.made))
            self.made[key] = save_family(folder, family, dtype, **options)
        return self.made[key]


@cache
def tiny_models() -> TinyModels:
    """Those of this process, for all files of tests that it runs."""
    folder = Path(tempfile.mkdtemp(prefix="taujp-tiny-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return TinyModels(folder)


@pytest.fixture(scope="session")
def tiny() -> TinyModels:
    """tiny(family, dtype, tied=...) -> {"base": folder, "a": folder, "b": ..., "zero": ...}."""
    return tiny_models()


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """All tensors of a folder, from however many files."""
    from safetensors.torch import load_file

    files = sorted(Path(folder).glob("*.safetensors"))
    assert files, f"no weights in {folder}: {sorted(p.name for p in Path(folder).iterdir())}"
    tensors = [load_file(file) for file in files]
    return {name: tensor for part in tensors for name, tensor in part.items()}


def config_of(folder: Path) -> dict[str, Any]:
    """Its config.json."""
    return json.loads((Path(folder) / "config.json").read_text())
