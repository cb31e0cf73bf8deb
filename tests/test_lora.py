"""PEFT adapters as inputs: what they add, exactly, and what is refused."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file

import taujp
from adapters import factors, on_modules, write_adapter
from reference_merge_lora import change
from taujp.checkpoint import CheckpointError, open_adapted, open_checkpoint, tensor_of
from taujp.checkpoint import to_state_dict as state_of
from taujp.cli import main
from taujp.merge.adapters import without_unchanged
from taujp.merge.prepare import prepare

ATTENTION = "model.layers.{}.self_attn.{}_proj"
MODULES = {
    ATTENTION.format(0, "q"): (24, 24),
    ATTENTION.format(0, "v"): (12, 24),
    ATTENTION.format(1, "q"): (24, 24),
    "model.layers.1.mlp.down_proj": (24, 40),
}
Q, V = f"{ATTENTION.format(0, 'q')}.weight", f"{ATTENTION.format(0, 'v')}.weight"


@pytest.fixture
def base() -> dict[str, torch.Tensor]:
    """A small decoder's weights."""
    generator = torch.Generator().manual_seed(5)
    shapes = {"model.embed_tokens.weight": (50, 24), "model.norm.weight": (24,)}
    for layer in range(2):
        shapes |= {
            f"{ATTENTION.format(layer, 'q')}.weight": (24, 24),
            f"{ATTENTION.format(layer, 'q')}.bias": (24,),
            f"{ATTENTION.format(layer, 'v')}.weight": (12, 24),
            f"model.layers.{layer}.mlp.down_proj.weight": (24, 40),
        }
    state = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {**state, "steps": torch.arange(3)}


def saved(state, folder, dtype=None):
    """The base as a folder; its floating tensors in a dtype."""
    folder.mkdir()
    cast = {n: t.to(dtype) if dtype and t.is_floating_point() else t for n, t in state.items()}
    save_file(cast, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return folder


def pair(tensors, module):
    return tensors[f"{module}.lora_A.weight"], tensors[f"{module}.lora_B.weight"]


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


# Merging.


def merged_by_hand(base, adapters, row, dtype):
    """theta0 + sum_i c_i scale B_i A_i, float64."""
    found = {}
    for name, tensor in base.items():
        module = name.removesuffix(".weight")
        total = tensor.to(dtype).double()
        for tensors, c in zip(adapters, row, strict=True):
            if f"{module}.lora_A.weight" in tensors:
                total = total + c * change(*pair(tensors, module), 4.0)
        found[name] = total
    return found


@pytest.fixture
def two(base, tmp_path):
    """Two adapters of partly different modules, their tensors, and the base in bf16."""
    some = dict(list(MODULES.items())[:3])
    tensors = [on_modules(MODULES, seed=1), on_modules(some, seed=2)]
    folders = [write_adapter(tmp_path / f"a{i}", t) for i, t in enumerate(tensors)]
    return folders, tensors, saved(base, tmp_path / "base", torch.bfloat16)


@pytest.mark.parametrize("kind", ["memory", "files"])
def test_task_vectors_of_adapters_are_exact(base, two, tmp_path, kind):
    folders, tensors, theta0 = two
    out = tmp_path / "out" if kind == "files" else None
    found = taujp.merge_many(folders, [0.6, 0.3], theta0, dtype="float32", out=out)
    if kind == "files":
        assert (tmp_path / "out" / "config.json").exists()
        found = load_file(tmp_path / "out" / "model.safetensors")
    expected = merged_by_hand(base, tensors, [0.6, 0.3], torch.bfloat16)
    for name, tensor in found.items():
        if not tensor.is_floating_point():
            assert torch.equal(tensor, base[name])
            continue
        assert tensor.dtype == torch.float32
        # two products, a sum and theta0: a few roundings in fp32, none in bf16
        torch.testing.assert_close(tensor.double(), expected[name], rtol=2**-23, atol=1e-9)


def test_files_and_memory_give_the_same_bits(two, tmp_path):
    folders, _, theta0 = two
    for method in ("task_arithmetic", "ties", "dare_ties", "tsv_m"):
        held = taujp.merge_many(folders, [0.6, 0.3], theta0, method=method)
        taujp.merge_many(folders, [0.6, 0.3], theta0, method=method, out=tmp_path / method)
        written = load_file(tmp_path / method / "model.safetensors")
        assert all(torch.equal(written[name], tensor) for name, tensor in held.items())
        assert held[Q].dtype == torch.bfloat16


METHODS = [
    ("task_arithmetic", {}),
    ("ties", {"density": 0.4}),
    ("ties", {"density": 0.4, "trim": "model"}),
    ("dare_ties", {"seed": 3}),
    ("breadcrumbs", {}),
    ("magmax", {}),
    ("lines", {"alpha": 0.2}),
    ("sce", {"density": 0.3}),
    ("tsv_m", {}),
    ("pcb", {}),
    ("nuslerp", {}),
]


@pytest.mark.parametrize(("method", "options"), METHODS)
def test_adapters_merge_as_the_models_they_stand_for(base, tmp_path, method, options):
    tensors = [on_modules(MODULES, seed=1), on_modules(MODULES, seed=2)]
    folders = [write_adapter(tmp_path / f"a{i}", t) for i, t in enumerate(tensors)]
    # from zero, tau of the whole models is exact too
    zero = {name: t * 0 if t.is_floating_point() else t for name, t in base.items()}
    models = [state_of(open_adapted(zero, folder)) for folder in folders]
    row = [1.0, 1.0] if method == "sce" else [0.4, 0.6]
    found = taujp.merge_many(folders, row, zero, method=method, **options)
    expected = taujp.merge_many(models, row, zero, method=method, **options)
    for name, tensor in found.items():
        assert torch.equal(tensor, expected[name]), name


def test_adapters_beside_whole_models(base, two, tmp_path):
    folders, tensors, _ = two
    other = {n: t + 0.01 if t.is_floating_point() else t for n, t in base.items()}
    found = taujp.merge_many([folders[0], other], [1.0, 0.5], base)
    expected = merged_by_hand(base, tensors[:1], [1.0], torch.float32)
    for name, tensor in found.items():
        if tensor.is_floating_point():
            added = 0.5 * (other[name].double() - base[name].double())
            torch.testing.assert_close(
                tensor.double(), expected[name] + added, rtol=1e-6, atol=1e-7
            )


def test_parameters_that_nobody_changes_are_the_bits_of_the_base(base, two):
    folders, _, theta0 = two
    found = taujp.merge_many(folders, [0.6, 0.3], theta0, method="ties")
    plain = load_file(theta0 / "model.safetensors")
    changed = {name for name, t in plain.items() if not torch.equal(found[name], t)}
    assert changed == {f"{module}.weight" for module in MODULES}


def test_names_may_be_mapped(base, two):
    folders, _, _ = two
    plain = taujp.merge_many(folders, [0.6, 0.3], base)
    found = taujp.merge_many(folders, [0.6, 0.3], base, rename={r"^model\.": "net."})
    assert found.keys() == {name.replace("model.", "net.") for name in base}
    assert all(torch.equal(t, plain[n.replace("net.", "model.")]) for n, t in found.items())


def test_stepwise_takes_the_models_as_their_dtype_has_them(two):
    folders, _, theta0 = two
    models = [state_of(open_adapted(theta0, folder)) for folder in folders]
    found = taujp.merge_many(folders, [0.6, 0.3], theta0, rounding="stepwise")
    expected = taujp.merge_many(models, [0.6, 0.3], theta0, rounding="stepwise")
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())


def test_a_path_of_both(base, two):
    folders, _, theta0 = two
    both = f"{theta0}+{folders[0]}"
    expected = state_of(open_adapted(theta0, folders[0]))
    found = state_of(open_checkpoint(both))
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())
    merged = taujp.merge_many([both, folders[1]], [0.6, 0.3], theta0)
    plain = taujp.merge_many(folders, [0.6, 0.3], theta0)
    assert all(torch.equal(tensor, plain[name]) for name, tensor in merged.items())
    alone = taujp.merge_many([both], [1.0])
    assert all(torch.equal(tensor, expected[name]) for name, tensor in alone.items())


def test_command(two, tmp_path, capsys):
    folders, _, theta0 = two

    def merge(out, before):
        ckpts = [("--ckpt", f"{before}{f}={c}") for f, c in zip(folders, (0.6, 0.3), strict=True)]
        flags = ["--base", str(theta0), "-q", "-o", str(tmp_path / out)]
        assert main(["merge", *flags, *(word for pair in ckpts for word in pair)]) == 0
        return load_file(tmp_path / out / "model.safetensors")

    one, other = merge("one", ""), merge("two", f"{theta0}+")
    assert all(torch.equal(tensor, other[name]) for name, tensor in one.items())
    capsys.readouterr()
    assert main(["merge", "--ckpt", f"{folders[0]}=1", "-o", str(tmp_path / "three")]) == 1
    assert "is a PEFT adapter, which changes a base" in capsys.readouterr().err
    assert not (tmp_path / "three").exists()


def test_task_vectors(base, two):
    folders, tensors, theta0 = two
    a, b = (taujp.TaskVector(theta0, folder) for folder in folders)
    changes = [
        torch.cat(
            [change(*pair(t, m), 4.0).flatten() for m in MODULES if f"{m}.lora_A.weight" in t]
        )
        for t in tensors
    ]
    assert abs(a.norm() / float(changes[0].norm()) - 1) < 1e-5
    shared = len(changes[1])  # the second adapts the first modules of the first
    dot = float(changes[0][:shared] @ changes[1])
    assert abs(a.dot(b) - dot) < 1e-5 * a.norm() * b.norm()
    found = (0.6 * a + 0.3 * b).apply(theta0)
    expected = taujp.merge_many(folders, [0.6, 0.3], theta0)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.items())
    a.save(theta0.parent / "vector.safetensors")
    kept = taujp.TaskVector.load(theta0.parent / "vector.safetensors")
    assert abs(kept.norm() / a.norm() - 1) < 1e-6


def test_an_adapter_alone_is_no_checkpoint(base, two):
    folders, _, theta0 = two
    with pytest.raises(CheckpointError, match=r"is a PEFT adapter.*BASE.ADAPTER"):
        open_checkpoint(folders[0])
    with pytest.raises(CheckpointError, match="is a PEFT adapter"):
        taujp.merge_many([theta0], [1.0], base=folders[0])
    with pytest.raises(taujp.MergeError, match=r"checkpoint 0 .*is a PEFT adapter.*base="):
        taujp.merge_many(folders, [0.6, 0.3])


def test_nan_in_a_factor_is_told(base, tmp_path):
    tensors = on_modules(MODULES)
    tensors[f"{Q[:-7]}.lora_A.weight"][0, 0] = math.nan
    adapter = write_adapter(tmp_path / "a", tensors)
    with pytest.raises(ValueError, match=Q.replace(".", r"\.")):
        taujp.merge_many([adapter], [1.0], base)
    with pytest.raises(ValueError, match=Q.replace(".", r"\.")):
        taujp.merge_many([adapter], [1.0], base, out=tmp_path / "out.safetensors")


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


def test_provenance_names_the_adapter(two, tmp_path):
    from safetensors import safe_open

    folders, _, theta0 = two
    taujp.merge_many(folders, [0.6, 0.3], theta0, out=tmp_path / "out.safetensors")
    with safe_open(tmp_path / "out.safetensors", "pt") as file:
        told = json.loads(file.metadata()["taujp"])
    assert told["method"] == "task_arithmetic"
    assert len(told["inputs"]) == 2


def test_only_what_an_adapter_changes_is_merged(base, two):
    folders, _, theta0 = two
    changed = {f"{module}.weight" for module in MODULES}
    floating = {name for name, tensor in base.items() if tensor.is_floating_point()}
    for options, expected in (
        ({"method": "ties"}, changed),
        ({"dtype": "float32"}, floating),  # a copy would leave bf16 behind
        ({"method": "ties", "trim": "model"}, floating),
        ({"method": "pcb"}, floating),
    ):
        merge = prepare(folders, [0.6, 0.3], theta0, **options)
        assert set(merge.names) == floating
        assert set(without_unchanged(merge).names) == expected, options
