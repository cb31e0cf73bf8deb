"""A merge of files loads in transformers and open_clip as its inputs do."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import taujp


def test_sharded_llama_generates(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.LlamaConfig(
        vocab_size=97,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        tie_word_embeddings=True,
    )
    torch.manual_seed(0)
    model = transformers.LlamaForCausalLM(config).bfloat16()
    folders = [tmp_path / name for name in ("base", "a", "c")]
    for folder in folders:
        model.save_pretrained(folder, max_shard_size="8KB")
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.01 * torch.randn_like(parameter)
    (folders[0] / "tokenizer_config.json").write_text("{}")
    out = taujp.merge_many(folders[1:], [0.4, 0.3], folders[0], out=tmp_path / "out")
    index = json.loads((tmp_path / "out/model.safetensors.index.json").read_text())
    assert len(set(index["weight_map"].values())) > 1
    assert (tmp_path / "out/tokenizer_config.json").exists()
    merged, info = transformers.LlamaForCausalLM.from_pretrained(
        out, dtype="auto", output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert merged.dtype == torch.bfloat16
    base, a, c = (transformers.LlamaForCausalLM.from_pretrained(f, dtype="auto") for f in folders)
    expected = taujp.merge_many([a, c], [0.4, 0.3], base)
    assert all(torch.equal(t, expected[name]) for name, t in merged.state_dict().items())
    assert merged.generate(torch.tensor([[1, 2, 3]]), max_new_tokens=4).shape == (1, 7)


def test_open_clip_folder_loads(tmp_path):
    pytest.importorskip("torchvision")
    pytest.importorskip("open_clip")
    from taujp.data.demo_model import DEMO_MODEL, load_demo_model

    tuned = tmp_path / "tuned"
    shutil.copytree(DEMO_MODEL, tuned)
    weights = next(tuned.glob("*.safetensors"))
    state = load_file(weights)
    save_file({k: v + 0.01 if v.is_floating_point() else v for k, v in state.items()}, weights)
    out = taujp.merge_many([tuned], [0.5], DEMO_MODEL, out=tmp_path / "out", prefix="visual.")
    merged = load_demo_model(out).model.state_dict()
    before = load_demo_model(DEMO_MODEL).model.state_dict()
    for name, tensor in merged.items():
        if tensor.is_floating_point():
            moved = 0.005 if name.startswith("visual.") else 0.0
            torch.testing.assert_close(tensor, before[name] + moved, rtol=0, atol=2e-3)
            assert torch.equal(tensor, before[name]) == (moved == 0.0), name
