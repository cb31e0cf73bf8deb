"""PEFT adapters as inputs: what they add, exactly."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

import taujp
from adapted_decoder import MODULES, Q, V, decoder, pair, saved
from adapters import factors, on_modules, write_adapter
from reference_merge_lora import change
from taujp.checkpoint import CheckpointError, open_adapted, tensor_of
from taujp.checkpoint import to_state_dict as state_of


@pytest.fixture
def base():
    return decoder()


@pytest.mark.parametrize("torch_file", [False, True], ids=["safetensors", "bin"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_adapted_is_the_base_and_scale_b_a(base, tmp_path, dtype, torch_file):
    tensors = on_modules(MODULES)
    adapter = write_adapter(tmp_path / "a", tensors, torch_file=torch_file)
    theta0 = saved(base, tmp_path / "base", dtype)
    found = state_of(open_adapted(theta0, adapter))
    plain = load_file(theta0 / "model.safetensors")
    assert found.keys() == plain.keys()
    for name, tensor in plain.items():
        module = name.removesuffix(".weight")
        expected = tensor
        if module in MODULES:
            expected = (tensor.double() + change(*pair(tensors, module), 4.0)).to(dtype)
            assert not torch.equal(expected, tensor)
        assert torch.equal(found[name], expected), name


def test_adapted_in_fp32_keeps_what_bf16_loses(base, tmp_path):
    tensors = on_modules(MODULES)
    adapter = write_adapter(tmp_path / "a", tensors)
    theta0 = saved(base, tmp_path / "base", torch.bfloat16)
    found = open_adapted(theta0, adapter, dtype="F32")
    expected = base[Q].bfloat16().double() + change(*pair(tensors, Q[:-7]), 4.0)
    assert torch.equal(tensor_of(found, Q), expected.float())
    assert found.entries["model.norm.weight"].dtype == "BF16"


@pytest.mark.parametrize(
    ("settings", "scale"),
    [
        ({"lora_alpha": 6}, 1.5),
        ({"lora_alpha": 6, "use_rslora": True}, 3.0),
        ({"alpha_pattern": {"self_attn.q_proj": 2}}, 0.5),
        ({"alpha_pattern": {"0.self_attn.q_proj": 2, "q_proj": 3}}, 0.5),
        ({"alpha_pattern": {"attn.q_proj": 2}}, 4.0),  # no whole part of the name
        ({"r": 8, "rank_pattern": {"(q|v|down)_proj": 4}}, 4.0),
    ],
)
def test_scale(base, tmp_path, settings, scale):
    tensors = on_modules(MODULES)
    adapter = write_adapter(tmp_path / "a", tensors, **settings)
    found = tensor_of(open_adapted(base, adapter), Q)
    torch.testing.assert_close(
        found.double(), base[Q].double() + change(*pair(tensors, Q[:-7]), scale)
    )


def test_ranks_by_pattern(base, tmp_path):
    a, b = factors(12, 24, 7)
    tensors = on_modules(MODULES) | {V.replace("weight", "lora_A.weight"): a}
    tensors[V.replace("weight", "lora_B.weight")] = b
    adapter = write_adapter(tmp_path / "a", tensors, rank_pattern={"v_proj": 7})
    found = tensor_of(open_adapted(base, adapter), V)
    assert torch.equal(found, (base[V].double() + change(a, b, 16 / 7)).float())


def test_whole_parameters_take_the_dtype_of_the_base(base, tmp_path):
    whole = torch.randn(24)
    adapter = write_adapter(tmp_path / "a", {"model.norm.weight": whole})
    theta0 = saved(base, tmp_path / "base", torch.bfloat16)
    assert torch.equal(
        tensor_of(open_adapted(theta0, adapter), "model.norm.weight"), whole.bfloat16()
    )


def test_bias_of_b(base, tmp_path):
    shift = torch.randn(24)
    tensors = on_modules({Q[:-7]: (24, 24)}) | {f"{Q[:-7]}.lora_B.bias": shift}
    adapter = write_adapter(tmp_path / "a", tensors, lora_bias=True)
    name = Q.replace("weight", "bias")
    found = tensor_of(open_adapted(base, adapter), name)
    assert torch.equal(found, (base[name].double() + 4 * shift.double()).float())


def test_embedding(base, tmp_path):
    name = "model.embed_tokens"
    a, b = torch.randn(4, 50), torch.randn(24, 4)
    tensors = {f"{name}.lora_embedding_A": a, f"{name}.lora_embedding_B": b}
    adapter = write_adapter(tmp_path / "a", tensors)
    found = tensor_of(open_adapted(base, adapter), f"{name}.weight")
    expected = base[f"{name}.weight"].double() + change(a, b, 4.0).T
    assert torch.equal(found, expected.float())


@pytest.mark.parametrize("added", [False, True])
def test_embedding_that_is_kept_beside_its_factors(base, tmp_path, added):
    """PEFT keeps the embeddings that it adapts; where they were trained before, from there on."""
    name = "model.embed_tokens"
    a, b = torch.randn(4, 50), torch.randn(24, 4)
    start = base[f"{name}.weight"] + (1 if added else 0)
    tensors = {
        f"{name}.lora_embedding_A": a,
        f"{name}.lora_embedding_B": b,
        f"{name}.base_layer.weight": start,
    }
    adapter = write_adapter(tmp_path / "a", tensors)
    found = tensor_of(open_adapted(base, adapter), f"{name}.weight")
    expected = start.double() + change(a, b, 4.0).T
    assert torch.equal(found, expected.float())
    merged = taujp.merge_many([adapter], [0.5], base)[f"{name}.weight"]
    half = (base[f"{name}.weight"].double() + expected) / 2
    torch.testing.assert_close(merged.double(), half, rtol=1e-6, atol=1e-6)


def test_an_adapter_that_changes_meanwhile_is_noticed(base, tmp_path):
    adapter = write_adapter(tmp_path / "a", on_modules(MODULES))
    opened = open_adapted(base, adapter)
    save_file({"other": torch.ones(3)}, adapter / "adapter_model.safetensors")
    with pytest.raises(CheckpointError, match="changed since it was opened"):
        tensor_of(opened, Q)


def test_opening_needs_no_torch(tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    save_file({"w.weight": torch.zeros(6, 4)}, base / "model.safetensors")
    adapter = write_adapter(tmp_path / "a", on_modules({"w": (6, 4)}))
    code = (
        "import sys; from taujp.checkpoint import open_adapted; "
        f"open_adapted({str(base)!r}, {str(adapter)!r}); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
