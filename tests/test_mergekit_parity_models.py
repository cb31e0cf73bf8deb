"""Architectures of transformers, dtypes and tied heads: ours against mergekit 0.1.5, to the bit.

mergekit reads architectures from its own files, or asks transformers where it has none. It cannot
merge what transformers' CLIPModel is (it asks for input embeddings), nor BertModel (its optional
weights' aliases fail): CLIP is compared under an architecture's name that nobody knows, so that it
falls back to the names in the checkpoints, which is what ours always does.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from adapters import on_modules, write_adapter
from mergekit_configs import (  # noqa: F401
    DTYPES,
    Folders,
    assert_bits,
    assert_near,
    both,
    by_taujp,
)
from tiny_transformers import TUNED, new_model, save, tiny, weights  # noqa: F401

AVERAGE = """
merge_method: linear
models:
  - {model: a, parameters: {weight: [0.1, 0.9, 0.3]}}
  - model: b
    parameters: {weight: [{filter: norm, value: 0.7}, {filter: ln_, value: 0.2}, {value: 0.4}]}
"""
TIES = """
merge_method: ties
base_model: base
models:
  - {model: a, parameters: {weight: [0.1, 0.9]}}
  - {model: b, parameters: {weight: 0.4}}
  - {model: c, parameters: {weight: [{filter: bias, value: 1}, {value: 0.2}]}}
parameters: {density: 1.0, normalize: [true, false], lambda: 0.8}
"""
ARC = """
merge_method: slerp
base_model: a
models: [{model: b}]
parameters: {t: [{filter: bias, value: [1, 0, 0.5]}, {value: [0.2, 0.9]}]}
"""
MODELS = {
    "llama": ("llama", {}),
    "llama-tied": ("llama", {"tied": True}),
    "qwen2": ("qwen2", {}),
    "qwen2-tied": ("qwen2", {"tied": True}),
    "qwen3": ("qwen3", {}),
    "mistral": ("mistral", {}),
    "gpt2-tied": ("gpt2", {}),
    "bert": ("bert-classifier", {}),
    "clip": ("clip", {}),
}


@pytest.fixture(params=MODELS)
def folders_in(request, tiny, tmp_path):  # noqa: F811
    """Folders of one architecture in a dtype."""

    def folders(dtype: torch.dtype) -> Folders:
        family, options = MODELS[request.param]
        made = tiny(family, dtype, **options)
        return unlisted(made, tmp_path) if family == "clip" else made

    return folders


def unlisted(folders: Folders, place: Path) -> Folders:
    """The same models under an architecture's name that transformers does not know."""
    for name, folder in folders.items():
        config = json.loads((folder / "config.json").read_text())
        shutil.copytree(folder, place / name)
        changed = json.dumps({**config, "architectures": ["Unlisted"]})
        (place / name / "config.json").write_text(changed)
    return {name: place / name for name in folders}


@pytest.mark.parametrize("dtype", DTYPES.values(), ids=DTYPES)
def test_weights_by_layer_and_by_name(both, folders_in, dtype):  # noqa: F811
    assert_bits(*both(AVERAGE, folders_in(dtype)))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_task_vectors_by_layer_and_by_name(both, folders_in, dtype):  # noqa: F811
    assert_bits(*both(TIES, folders_in(dtype), rounding="stepwise"))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_along_the_arc_by_layer_and_by_name(both, folders_in, dtype):  # noqa: F811
    tolerance = 4e-7 if dtype == torch.float32 else 2.0**-8
    assert_near(*both(ARC, folders_in(dtype)), tolerance=tolerance)


def test_a_head_of_its_own_among_tied_ones(both, tiny, tmp_path):  # noqa: F811
    """Where one fine-tune has a head and the others have it tied, theirs is the embedding."""
    folders = dict(tiny("llama", torch.bfloat16, tied=True))
    untied = new_model("llama", tied=False)
    folders["b"] = save(untied, tmp_path / "untied", torch.bfloat16)
    assert "lm_head.weight" in weights(folders["b"])
    ours, theirs = both(AVERAGE, folders)
    assert "lm_head.weight" in theirs
    assert_bits(ours, theirs)


def test_an_adapter_on_a_model(both, tiny, tmp_path):  # noqa: F811
    """`model+adapter`; mergekit has peft merge it into a model of its own first."""
    folders = dict(tiny("llama"))
    adapted = {}
    for i in range(4):
        adapted[f"model.layers.{i}.self_attn.q_proj"] = (32, 32)
        adapted[f"model.layers.{i}.mlp.up_proj"] = (48, 32)
    settings = {"target_modules": ["q_proj", "up_proj"], "lora_alpha": 6}
    adapter = write_adapter(tmp_path / "adapter", on_modules(adapted), **settings)
    folders["adapted"] = f"{folders['a']}+{adapter}"
    config = AVERAGE.replace("model: a", "model: adapted")
    theirs = both.by_mergekit(config, folders, tmp_path, lora_merge_cache=str(tmp_path / "cache"))
    ours = weights(by_taujp(config, folders, tmp_path))
    plain = weights(by_taujp(AVERAGE, folders, tmp_path, overwrite=True))
    assert_near(ours, weights(theirs), tolerance=2e-7)
    name = "model.layers.1.mlp.up_proj.weight"
    assert (plain[name] - ours[name]).abs().max() > 1e-3


def test_shards_and_torch_files_are_inputs_too(both, tiny, tmp_path):  # noqa: F811
    folders = dict(tiny("llama", torch.bfloat16))
    sharded, pickled = tmp_path / "sharded", tmp_path / "pickled"
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folders["a"], dtype=torch.bfloat16)
    model.save_pretrained(sharded, max_shard_size="20KB")
    assert len(list(sharded.glob("*.safetensors"))) > 3
    shutil.copytree(folders["b"], pickled)
    (pickled / "model.safetensors").unlink()
    torch.save(weights(folders["b"]), pickled / "pytorch_model.bin")
    plain = both(AVERAGE, folders)
    other = both(AVERAGE, {**folders, "a": sharded, "b": pickled})
    assert_bits(*plain)
    assert_bits(*other)
    assert_bits(plain[0], other[0])


def test_all_fine_tunes_differ(tiny):  # noqa: F811
    """What these tests stand on: no model equals another, no tensor is constant."""
    states = [weights(tiny("llama", torch.bfloat16)[name]) for name in ("base", *TUNED)]
    for name, tensor in states[0].items():
        assert tensor.float().std() > 0, name
        assert all(not torch.equal(tensor, state[name]) for state in states[1:]), name
