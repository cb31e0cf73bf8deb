"""Adapters that are no plain LoRA, or damaged: refused by name, with what to do."""

from __future__ import annotations

import pytest
import torch

from adapted_decoder import MODULES, Q, decoder
from adapters import on_modules, write_adapter
from taujp.checkpoint import CheckpointError, open_adapted, tensor_of


@pytest.fixture
def base():
    return decoder()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"peft_type": "IA3"}, "peft_type is 'IA3'"),
        ({"use_dora": True}, "use_dora: DoRA"),
        ({"layer_replication": [[0, 4], [2, 6]]}, "layer_replication"),
        ({"target_parameters": ["experts.gate"]}, "target_parameters"),
        ({"init_lora_weights": "pissa_niter_16"}, "init_lora_weights is 'pissa_niter_16'"),
        ({"warp_drive": 9}, "unknown settings warp_drive=9"),
        ({"r": 0}, "r is 0"),
        ({"lora_alpha": "big"}, "lora_alpha is 'big'"),
        ({"rank_pattern": {"q_proj(": 3}}, "is no regular expression"),
        ({"r": 5}, "says rank 5"),
    ],
)
def test_refused_settings_are_named(base, tmp_path, settings, told):
    adapter = write_adapter(tmp_path / "a", on_modules(MODULES), **settings)
    with pytest.raises(CheckpointError, match=told.replace("(", r"\(")):
        open_adapted(base, adapter)


def test_settings_that_are_off_or_only_for_training_are_taken(base, tmp_path):
    adapter = write_adapter(
        tmp_path / "a", on_modules(MODULES), warp_drive=None, use_dora=False, eva_config={"rho": 2}
    )
    assert not torch.equal(tensor_of(open_adapted(base, adapter), Q), base[Q])


def broken(kind, tensors):
    module = Q[:-7]
    if kind == "dora":
        return tensors | {f"{module}.lora_magnitude_vector": torch.ones(24)}
    if kind == "half":
        return {n: t for n, t in tensors.items() if n != f"{module}.lora_B.weight"}
    if kind == "shape":
        return tensors | {f"{module}.lora_A.weight": torch.ones(4, 25)}
    if kind == "rank":
        return tensors | {f"{module}.lora_A.weight": torch.ones(3, 24)}
    if kind == "other model":
        return tensors | on_modules({"model.layers.7.self_attn.q_proj": (24, 24)})
    if kind == "two adapters":
        return tensors | {f"{module}.lora_A.second.weight": torch.ones(4, 24)}
    if kind == "resized":
        return tensors | {"model.embed_tokens.weight": torch.ones(51, 24)}
    return tensors | {"steps": torch.arange(4)}


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("dora", "lora_magnitude_vector.*DoRA"),
        ("half", "lora_A or lora_B of model.layers.0.self_attn.q_proj is missing"),
        ("shape", r"a change of 24 x 25.*\(24, 24\)"),
        ("rank", r"shapes \(3, 24\) and \(24, 4\)"),
        ("other model", "changes 1 parameters that.*model.layers.7"),
        ("two adapters", "several adapters"),
        ("resized", r"shape \(51, 24\).*resized"),
        ("integers", r"shape \(4,\)"),
    ],
)
def test_broken_adapters_are_told(base, tmp_path, kind, told):
    adapter = write_adapter(tmp_path / "a", broken(kind, on_modules(MODULES)))
    with pytest.raises(CheckpointError, match=told):
        open_adapted(base, adapter)


def test_damaged_folders(base, tmp_path):
    with pytest.raises(CheckpointError, match="is no folder of a PEFT adapter"):
        open_adapted(base, tmp_path / "nowhere")
    adapter = write_adapter(tmp_path / "a", on_modules(MODULES))
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"none of adapter_model\.safetensors"):
        open_adapted(base, adapter)
    (adapter / "adapter_config.json").write_text("[1]")
    with pytest.raises(CheckpointError, match=r"none of adapter_model\.safetensors"):
        open_adapted(base, adapter)
    other = write_adapter(tmp_path / "b", on_modules(MODULES))
    for text, told in (
        ("{", "cannot be read"),
        ("[1]", "holds a list"),
        ("{}", "peft_type is None"),
    ):
        (other / "adapter_config.json").write_text(text)
        with pytest.raises(CheckpointError, match=told):
            open_adapted(base, other)
    with pytest.raises(CheckpointError, match="dtype is 'bf16'"):
        open_adapted(base, other, dtype="bf16")
