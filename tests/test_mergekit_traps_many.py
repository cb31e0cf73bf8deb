"""Thousands of tensors: mergekit's planning grows with their square, ours must not."""

from __future__ import annotations

import cProfile
import json
import pstats
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mergekit_configs import by_taujp, config_file
from tiny_transformers import weights

VECTORS = """
merge_method: task_arithmetic
base_model: base
models: [{model: a, parameters: {weight: 0.7}}, {model: b, parameters: {weight: 0.4}}]
"""


def shallow(folder: Path, layers: int, seed: int) -> Path:
    """A Llama of so many layers, each of nine tensors of four numbers."""
    parts = [f"self_attn.{x}_proj" for x in "qkvo"] + [
        f"mlp.{x}_proj" for x in ("gate", "up", "down")
    ]
    parts += ["input_layernorm", "post_attention_layernorm"]
    names = [f"model.layers.{i}.{part}.weight" for i in range(layers) for part in parts]
    names += ["model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"]
    values = torch.randn(len(names), 4, generator=torch.Generator().manual_seed(seed))
    folder.mkdir(parents=True)
    state = {name: row.clone() for name, row in zip(names, values.bfloat16(), strict=True)}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config = {"model_type": "llama", "num_hidden_layers": layers, "torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


SIZES = {445: 4_008, 1780: 16_023}  # layers -> tensors in each of three models


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """Folders of base, a and b, by how many tensors they have."""
    place = tmp_path_factory.mktemp("deep")
    return {
        tensors: {
            name: shallow(place / str(tensors) / name, layers, seed)
            for seed, name in enumerate(("base", "a", "b"))
        }
        for layers, tensors in SIZES.items()
    }


def test_planning_grows_with_the_tensors_and_not_their_square(deep, tmp_path):
    """mergekit took 45 s for 4,008 and over 500 s for 16,023."""
    from taujp.mergekit.run import planned

    config = """
merge_method: task_arithmetic
base_model: base
models:
  - {model: a, parameters: {weight: [0.1, 0.9]}}
  - {model: b, parameters: {weight: [{filter: mlp, value: 0.3}, {value: 0.4}]}}
"""
    calls = {}
    for tensors, folders in deep.items():
        file = config_file(config, folders, tmp_path / f"{tensors}.yml")
        profile = cProfile.Profile()
        (plan,) = profile.runcall(lambda file=file: list(planned(file, tmp_path / "out")))
        calls[tensors] = pstats.Stats(profile).total_calls  # not seconds: the machine may be busy
        built = plan if hasattr(plan, "assembly") else plan[0]
        (merge,) = built.assembly.merges  # one way, whose layers have weights of their own
        assert len(merge.names) == tensors
    assert calls[16_023] < 5 * calls[4_008], calls  # four times the tensors


def test_many_tensors_are_merged(deep, tmp_path):
    merged = weights(by_taujp(VECTORS, deep[16_023], tmp_path))
    assert len(merged) == 16_023
    name = "model.layers.1779.mlp.up_proj.weight"
    base, a, b = (weights(folder)[name].double() for folder in deep[16_023].values())
    expected = base + 0.7 * (a - base) + 0.4 * (b - base)
    assert ((merged[name].double() - expected).abs() <= 2**-8 * expected.abs()).all()
