"""An adapter's names, and which way its weights lie: matched to the base, or refused."""

from __future__ import annotations

import pytest
import torch

from adapted_decoder import Q, decoder, pair
from adapters import factors, on_modules, write_adapter
from reference_merge_lora import change
from taujp.checkpoint import CheckpointError, open_adapted, tensor_of
from taujp.checkpoint import to_state_dict as state_of


@pytest.fixture
def base():
    return decoder()


def test_names_with_an_adapter_and_wrappers(base, tmp_path):
    a, b = factors(24, 24)
    whole = torch.randn(24)
    tensors = {
        f"{Q[:-7]}.lora_A.first.weight": a,
        f"{Q[:-7]}.lora_B.first.weight": b,
        "model.norm.modules_to_save.first.weight": whole,
        "model.norm.original_module.weight": torch.zeros(24),
        f"{Q[:-7]}.base_layer.bias": whole * 2,
    }
    adapter = write_adapter(tmp_path / "a", tensors, bias="lora_only", modules_to_save=["norm"])
    found = state_of(open_adapted(base, adapter))
    assert torch.equal(found[Q], (base[Q].double() + change(a, b, 4.0)).float())
    assert torch.equal(found["model.norm.weight"], whole)
    assert torch.equal(found[Q.replace("weight", "bias")], whole * 2)


@pytest.mark.parametrize("told", [True, False])
def test_weights_stored_the_other_way(tmp_path, told):
    """GPT-2's Conv1D [inputs, outputs]: c_proj is square, c_attn is not and tells."""
    base = {
        "h.0.attn.c_attn.weight": torch.randn(8, 24),
        "h.0.attn.c_proj.weight": torch.randn(8, 8),
    }
    modules = {"h.0.attn.c_attn": (24, 8), "h.0.attn.c_proj": (8, 8)}
    tensors = on_modules(modules)
    adapter = write_adapter(tmp_path / "a", tensors, fan_in_fan_out=told)
    found = state_of(open_adapted(base, adapter))
    for module in modules:
        name = f"{module}.weight"
        expected = base[name].double() + change(*pair(tensors, module), 4.0).T
        assert torch.equal(found[name], expected.float()), name


def test_square_weights_follow_the_configuration(tmp_path):
    base = {"h.0.c_proj.weight": torch.randn(8, 8)}
    tensors = on_modules({"h.0.c_proj": (8, 8)})
    delta = change(*pair(tensors, "h.0.c_proj"), 4.0)
    for told, expected in ((False, delta), (True, delta.T)):
        adapter = write_adapter(tmp_path / str(told), tensors, fan_in_fan_out=told)
        found = tensor_of(open_adapted(base, adapter), "h.0.c_proj.weight")
        assert torch.equal(found, (base["h.0.c_proj.weight"].double() + expected).float())


def test_square_weights_among_both_kinds_are_refused(tmp_path):
    base = {
        "h.0.a.weight": torch.randn(8, 24),
        "h.0.b.weight": torch.randn(24, 8),
        "h.0.c.weight": torch.randn(8, 8),
    }
    modules = {"h.0.a": (24, 8), "h.0.b": (24, 8), "h.0.c": (8, 8)}
    with pytest.raises(CheckpointError, match=r"'h.0.c' is square"):
        open_adapted(base, write_adapter(tmp_path / "a", on_modules(modules)))


def test_convolution_and_joint_attention(tmp_path):
    base = {"conv1.weight": torch.randn(6, 3, 2, 2), "attn.in_proj_weight": torch.randn(24, 8)}
    a, b = torch.randn(4, 3, 2, 2), torch.randn(6, 4, 1, 1)
    tensors = on_modules({"attn": (24, 8)}) | {"conv1.lora_A.weight": a, "conv1.lora_B.weight": b}
    found = state_of(open_adapted(base, write_adapter(tmp_path / "a", tensors)))
    kernel = 4 * torch.einsum("or,rihw->oihw", b.double()[:, :, 0, 0], a.double())
    torch.testing.assert_close(found["conv1.weight"].double(), base["conv1.weight"] + kernel)
    joint = base["attn.in_proj_weight"].double() + change(*pair(tensors, "attn"), 4.0)
    assert torch.equal(found["attn.in_proj_weight"], joint.float())


@pytest.mark.parametrize(("before", "after"), [("", "transformer."), ("bert.", "")])
def test_a_model_with_a_head_has_one_name_more(tmp_path, before, after):
    base = {f"{before}h.{i}.w.weight": torch.randn(6, 4) for i in range(2)}
    adapter = write_adapter(
        tmp_path / "a", on_modules({f"{after}h.0.w": (6, 4), f"{after}h.1.w": (6, 4)})
    )
    found = state_of(open_adapted(base, adapter))
    assert all(not torch.equal(found[name], base[name]) for name in base)


def test_names_that_fit_twice_are_refused(tmp_path):
    base = {f"{tower}.h.0.w.weight": torch.randn(6, 4) for tower in ("text", "vision")}
    adapter = write_adapter(tmp_path / "a", on_modules({"h.0.w": (6, 4)}))
    with pytest.raises(CheckpointError, match=r"in 2 ways: text\.h\.0\.w, vision\.h"):
        open_adapted(base, adapter)


def test_tied_weights_are_changed_together(tmp_path):
    shared = torch.randn(10, 4)
    base = {"embed.weight": shared, "head.weight": shared, "w.weight": torch.randn(6, 4)}
    a, b = torch.randn(4, 10), torch.randn(4, 4)
    tensors = {"embed.lora_embedding_A": a, "embed.lora_embedding_B": b}
    found = state_of(open_adapted(base, write_adapter(tmp_path / "a", tensors)))
    assert torch.equal(found["embed.weight"], (shared.double() + change(a, b, 4.0).T).float())
    assert found["head.weight"] is found["embed.weight"]
    twice = tensors | on_modules({"head": (10, 4)})
    with pytest.raises(CheckpointError, match=r"changes 'head.weight' twice.*untied"):
        open_adapted(base, write_adapter(tmp_path / "b", twice))


def test_the_second_of_two_tied_parameters_is_no_other(tmp_path):
    base = {"embed.weight": torch.randn(10, 4)}
    whole = torch.randn(10, 4)
    both = {"embed.weight": whole, "head.weight": whole.clone()}
    found = state_of(open_adapted(base, write_adapter(tmp_path / "a", both)))
    assert list(found) == ["embed.weight"]
    assert torch.equal(found["embed.weight"], whole)
    other = {**both, "head.weight": whole + 1}
    with pytest.raises(CheckpointError, match=r"lacks: head.weight"):
        open_adapted(base, write_adapter(tmp_path / "b", other))
