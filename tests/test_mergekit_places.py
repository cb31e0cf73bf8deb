"""Where a tensor lies decides: gradients, filters, slices and modules of a configuration."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open

import taujp
from mergekit_runs import config_of, models, read, run, same, stack
from small_llamas import family, llama, save
from taujp import CheckpointError, MergeError


def test_gradients_run_over_layers_and_spare_what_is_outside(tmp_path):
    _, tuned = family(tmp_path, 2, layers=5)
    weight = [[0.0, 1.0, 0.5], 0.25]
    config = {"merge_method": "linear", "models": models(tuned, weight=weight)}
    merged, _ = run({**config, "parameters": {"normalize": False}}, tmp_path / "out")
    first, second = (read(path) for path in tuned)
    by_layer = [0.0, 0.5, 1.0, 0.75, 0.5]
    for name, tensor in merged.items():
        inside = name.startswith("model.layers.")
        share = by_layer[int(name.split(".")[2])] if inside else 0.0
        torch.testing.assert_close(tensor, share * first[name] + 0.25 * second[name])
    with safe_open(tmp_path / "out" / "model.safetensors", "pt") as file:
        told = json.loads(file.metadata()["taujp"])["coefs"]
    shares = {row["coefs"][0]: row["parameters"] for row in told}
    assert {*shares} == {*by_layer}
    assert sum(shares.values()) == len(merged)


def test_filters_choose_by_name_and_scopes_by_nearness(tmp_path):
    base, tuned = family(tmp_path, 2)
    first = [{"filter": "mlp", "value": 0.9}, {"filter": "lm_head", "value": 0.1}]
    config = {
        "merge_method": "task_arithmetic",
        "base_model": base,
        "models": [{"model": tuned[0], "parameters": {"weight": first}}, {"model": tuned[1]}],
        "parameters": {"weight": 0.5},
    }
    merged, _ = run(config, tmp_path / "out")
    expected = taujp.merge_many(
        tuned, {"*mlp*": [0.9, 0.5], "*lm_head*": [0.1, 0.5], "*": [0.5, 0.5]}, base
    )
    same(merged, expected)


def test_slices_are_stacked(tmp_path):
    a, b = llama(4, seed=1), llama(6, seed=2)
    kinds = [f"kind{i}" for i in range(4)]
    one = save(tmp_path / "a", a, layer_types=kinds, use_cache=True)
    two = save(tmp_path / "b", b)
    slices = stack((one, 0, 3), (two, 4, 6), (one, 1, 4))
    config = {"merge_method": "passthrough", "slices": slices, "dtype": "bfloat16"}
    merged, _ = run(config, tmp_path / "out")
    origins = [(a, 0), (a, 1), (a, 2), (b, 4), (b, 5), (a, 1), (a, 2), (a, 3)]
    expected = {"model.embed_tokens.weight": a["model.embed_tokens.weight"]}
    expected |= {name: a[name] for name in ("model.norm.weight", "lm_head.weight")}
    for i, (state, layer) in enumerate(origins):
        before = f"model.layers.{layer}."
        for name in (n for n in state if n.startswith(before)):
            expected[name.replace(before, f"model.layers.{i}.")] = state[name]
    same(merged, {name: tensor.bfloat16() for name, tensor in expected.items()})
    written = config_of(tmp_path / "out")
    assert (written["num_hidden_layers"], written["torch_dtype"]) == (8, "bfloat16")
    assert written["layer_types"][:3] == kinds[:3]
    assert written["layer_types"][5:] == kinds[1:]


def test_what_is_no_float_passes_through_and_is_not_merged(tmp_path):
    state = llama(2, seed=1)
    name = "model.layers.0.mlp.up_proj.weight"
    state[name] = state[name].to(torch.float8_e4m3fn)
    one, two = save(tmp_path / "a", state), save(tmp_path / "b", state)
    config = {"merge_method": "passthrough", "slices": stack((one, 0, 2), (one, 0, 1))}
    merged, _ = run({**config, "dtype": "bfloat16"}, tmp_path / "out")
    for layer in (0, 2):
        copied = merged[f"model.layers.{layer}.mlp.up_proj.weight"]
        assert torch.equal(copied.view(torch.uint8), state[name].view(torch.uint8))
    config = {"merge_method": "linear", "models": models([one, two], weight=[1, 1])}
    with pytest.raises(CheckpointError, match="of type F8_E4M3; F32, F16 and BF16 can be merged"):
        run(config, tmp_path / "other")


def test_the_ends_come_from_the_outer_slices_and_layers_may_be_scaled(tmp_path):
    a, b = llama(2, seed=1), llama(2, seed=2)
    one, two = save(tmp_path / "a", a), save(tmp_path / "b", b)
    scale = [{"filter": "q_proj", "value": 0.0}, {"value": 1.0}]
    slices = [*stack((one, 0, 2)), *stack((two, 0, 1), scale=scale)]
    merged, _ = run({"merge_method": "passthrough", "slices": slices}, tmp_path / "out")
    assert torch.equal(merged["model.embed_tokens.weight"], a["model.embed_tokens.weight"])
    assert torch.equal(merged["model.norm.weight"], b["model.norm.weight"])
    assert torch.equal(merged["lm_head.weight"], b["lm_head.weight"])
    assert not merged["model.layers.2.self_attn.q_proj.weight"].any()
    up = "mlp.up_proj.weight"
    assert torch.equal(merged[f"model.layers.2.{up}"], b[f"model.layers.0.{up}"])


def test_slices_merge_different_layers_with_gradients_of_their_own(tmp_path):
    a, b = llama(4, seed=1), llama(4, seed=2)
    one, two = save(tmp_path / "a", a), save(tmp_path / "b", b)

    def part(first, second, **parameters):
        sources = [{"model": one, "layer_range": first}, {"model": two, "layer_range": second}]
        return {"sources": sources, "parameters": parameters, "base_model": one}

    slices = [part([0, 3], [1, 4], t=[0.0, 1.0]), part([3, 4], [0, 1], t=[0.0, 0.5])]
    merged, _ = run({"merge_method": "slerp", "slices": slices}, tmp_path / "out")
    name = "model.layers.{}.mlp.up_proj.weight"
    shares = {0: (0, 1, 0.0), 1: (1, 2, 0.5), 2: (2, 3, 1.0), 3: (3, 0, 0.5)}  # one layer: t = 1
    for i, (first, second, t) in shares.items():
        pair = [{"x": a[name.format(first)]}, {"x": b[name.format(second)]}]
        expected = taujp.merge_many(pair, [1 - t, t], method="slerp")["x"]
        assert torch.equal(merged[name.format(i)], expected)
    assert torch.equal(merged["lm_head.weight"], a["lm_head.weight"])


def test_a_slice_of_no_layers_gives_what_is_outside_of_them(tmp_path):
    a, b = llama(4, seed=1), llama(4, seed=2)
    one, two = save(tmp_path / "a", a), save(tmp_path / "b", b)
    slices = stack((one, 0, 0), (two, 1, 3))
    merged, _ = run({"merge_method": "passthrough", "slices": slices}, tmp_path / "out")
    assert torch.equal(merged["model.embed_tokens.weight"], a["model.embed_tokens.weight"])
    up = "model.layers.{}.mlp.up_proj.weight"
    assert [n for n in merged if "up_proj" in n] == [up.format(0), up.format(1)]
    assert torch.equal(merged[up.format(0)], b[up.format(1)])
    assert config_of(tmp_path / "out")["num_hidden_layers"] == 2


def test_slices_beyond_the_model_and_without_their_base(tmp_path):
    base, (tuned,) = family(tmp_path, 1)
    with pytest.raises(MergeError, match=r"slices\[0\]: layer_range goes to 5, .* has 4 layers"):
        run({"merge_method": "passthrough", "slices": stack((tuned, 2, 5))}, tmp_path / "out")
    slices = stack((tuned, 0, 4), weight=1)
    config = {"merge_method": "task_arithmetic", "base_model": base, "slices": slices}
    with pytest.raises(MergeError, match=r"slices\[0\]: base_model .* not among its sources"):
        run(config, tmp_path / "out")
    config["slices"] = [{"sources": [*slices[0]["sources"], *slices[0]["sources"]]}]
    with pytest.raises(MergeError, match="named twice"):
        run({**config, "base_model": tuned}, tmp_path / "out")


def two_towers(folder, seed):
    """A state of two towers of two layers and something beside them."""
    generator = torch.Generator().manual_seed(seed)
    names = [f"{t}_model.encoder.layers.{i}.fc.weight" for t in ("text", "vision") for i in (0, 1)]
    names += ["text_model.embed.weight", "vision_model.norm.weight", "logit_scale"]
    state = {name: torch.randn(6, 6, generator=generator) for name in names}
    layers = {"num_hidden_layers": 2}
    config = {"text_config": layers, "vision_config": layers, "num_hidden_layers": None}
    return state, save(folder, state, **config)


def test_modules_are_merged_by_their_own_settings(tmp_path):
    (a, one), (b, two) = (two_towers(tmp_path / name, i) for i, name in enumerate("ab"))
    modules = {
        "text_model": {"models": models([one, two], weight=[[0, 1], [1, 0]])},
        "vision_model": {"models": models([one, two]), "parameters": {"weight": 0.5}},
    }
    merged, notes = run({"merge_method": "linear", "modules": modules}, tmp_path / "out")
    layer = "text_model.encoder.layers.{}.fc.weight"
    assert torch.equal(merged[layer.format(0)], b[layer.format(0)])
    assert torch.equal(merged[layer.format(1)], a[layer.format(1)])
    assert torch.equal(merged["text_model.embed.weight"], b["text_model.embed.weight"])
    mean = (a["vision_model.norm.weight"] + b["vision_model.norm.weight"]) / 2
    torch.testing.assert_close(merged["vision_model.norm.weight"], mean)
    assert torch.equal(merged["logit_scale"], a["logit_scale"])
    assert [
        part for part in ("1 tensors are in none of the modules", "logit_scale") if part in notes[0]
    ] == ["1 tensors are in none of the modules", "logit_scale"]


def test_modules_have_slices_of_their_own_and_several_towers_need_them(tmp_path):
    (a, one), _ = (two_towers(tmp_path / name, i) for i, name in enumerate("ab"))
    slices = stack((one, 0, 2), (one, 1, 2))
    with pytest.raises(MergeError, match=r"text_model\.encoder\.layers\.0-1, vision_model"):
        run({"merge_method": "passthrough", "slices": slices}, tmp_path / "out")
    modules = {"text_model": {"slices": slices}, "default": {"models": [{"model": one}]}}
    merged, notes = run({"merge_method": "passthrough", "modules": modules}, tmp_path / "out")
    layer = "text_model.encoder.layers.{}.fc.weight"
    assert torch.equal(merged[layer.format(2)], a[layer.format(1)])
    assert merged.keys() == {*a, layer.format(2)}
    assert not notes  # the other tower is part of what is left, `default`
    written = config_of(tmp_path / "out")
    assert written["text_config"]["num_hidden_layers"] == 3
    assert written["vision_config"]["num_hidden_layers"] == 2
