"""`taujp mergekit` and `taujp.mergekit`: from a configuration to the files of a model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

import taujp
from small_llamas import TOKENS, WIDTH, family, llama, save
from taujp import CheckpointError, MergeError
from taujp.cli import main


def run(config, out, **options):
    """The merged state dict, and what was told."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        folder = taujp.mergekit(config, out, **options)
    return read(folder), [str(warning.message) for warning in caught]


def read(folder):
    return {
        k: v for p in sorted(Path(folder).glob("*.safetensors")) for k, v in load_file(p).items()
    }


def config_of(folder):
    return json.loads((Path(folder) / "config.json").read_text())


def same(ours, expected) -> None:
    assert ours.keys() == expected.keys()
    for name, tensor in expected.items():
        assert ours[name].dtype == tensor.dtype, name
        assert torch.equal(ours[name], tensor), name


def models(paths, **parameters):
    """Inputs with a value each of every parameter."""
    given = [{k: v[i] for k, v in parameters.items()} for i in range(len(paths))]
    return [
        {"model": path, **({"parameters": chosen} if chosen else {})}
        for path, chosen in zip(paths, given, strict=True)
    ]


WEIGHTS = [0.5, 0.3, 0.4]
BY_NAME = {
    # mergekit's parameters, then ours
    "task_arithmetic": ({"lambda": 0.7}, {"lambda_": 0.7}),
    "ties": ({"density": 0.4, "rescale": True}, {"density": 0.4, "rescale": "l1"}),
    "dare_linear": ({"density": 0.4}, {"density": 0.4, "rescale": "l1", "seed": 7}),
    "dare_ties": (
        {"density": 0.4, "rescale": False, "normalize": True},
        {"density": 0.4, "rescale": None, "seed": 7, "normalize": True},
    ),
    "breadcrumbs": ({"density": 0.4, "gamma": 0.1}, {"density": 0.4, "gamma": 0.1}),
    "breadcrumbs_ties": ({}, {"density": 1.0}),
    "della": (
        {"density": 0.4, "epsilon": 0.2},
        {"density": 0.4, "epsilon": 0.2, "rescale": "l1", "seed": 7},
    ),
    "della_linear": ({"density": 0.4}, {"density": 0.4, "rescale": "l1", "seed": 7}),
}
ALIKE = {
    "model_stock": ({"filter_wise": True}, {"by": "row"}),
    "sce": ({"select_topk": 0.3}, {"density": 0.3}),
    "ram": ({"epsilon": 0.05}, {"epsilon": 0.05}),
    "ramplus_tl": ({"r": 0.3, "alpha": 0.4}, {"ratio": 0.3, "most": 0.4}),
}


@pytest.mark.parametrize("method", BY_NAME)
def test_methods_on_task_vectors(tmp_path, method):
    base, tuned = family(tmp_path)
    theirs, ours = BY_NAME[method]
    config = {"merge_method": method, "base_model": base, "models": models(tuned, weight=WEIGHTS)}
    merged, _ = run({**config, "parameters": theirs}, tmp_path / "out", seed=7)
    same(merged, taujp.merge_many(tuned, WEIGHTS, base, method=method, **ours))


@pytest.mark.parametrize("method", ALIKE)
def test_methods_without_weights(tmp_path, method):
    base, tuned = family(tmp_path)
    theirs, ours = ALIKE[method]
    config = {"merge_method": method, "base_model": base, "models": models([base, *tuned])}
    merged, _ = run({**config, "parameters": theirs}, tmp_path / "out")
    same(merged, taujp.merge_many(tuned, [1.0] * 3, base, method=method, **ours))


def test_linear_normalises_and_counts_the_base_as_an_input(tmp_path):
    base, tuned = family(tmp_path)
    config = {"merge_method": "linear", "models": models(tuned, weight=WEIGHTS)}
    merged, _ = run(config, tmp_path / "out")
    same(merged, taujp.merge_many(tuned, WEIGHTS, normalize=True))
    with pytest.raises(MergeError, match="weight is missing"):
        run({**config, "base_model": base}, tmp_path / "with-base")
    merged, _ = run({**config, "base_model": tuned[0]}, tmp_path / "named")
    same(merged, taujp.merge_many(tuned, WEIGHTS, normalize=True))


@pytest.mark.parametrize(
    ("method", "theirs", "coefs", "ours"),
    [
        ("slerp", {"t": 0.3}, [0.7, 0.3], {}),
        ("nearswap", {"t": 0.01}, [0.01], {}),
        ("arcee_fusion", {}, [1.0], {}),
    ],
)
def test_methods_of_a_base_and_one_model(tmp_path, method, theirs, coefs, ours):
    base, (tuned,) = family(tmp_path, 1)
    config = {"merge_method": method, "base_model": base, "models": [{"model": tuned}]}
    merged, _ = run({**config, "parameters": theirs}, tmp_path / "out")
    ckpts, theta0 = ([base, tuned], None) if method == "slerp" else ([tuned], base)
    same(merged, taujp.merge_many(ckpts, coefs, theta0, method=method, **ours))


@pytest.mark.parametrize(
    ("method", "theirs", "ours"),
    [
        ("nuslerp", {"nuslerp_flatten": False}, {"along": "rows"}),
        ("nuslerp", {"nuslerp_flatten": False, "nuslerp_row_wise": True}, {"along": "columns"}),
        ("multislerp", {"normalize_weights": False}, {"normalize": False}),
    ],
)
@pytest.mark.parametrize("based", [True, False])
def test_methods_with_or_without_a_base(tmp_path, method, theirs, ours, based):
    base, tuned = family(tmp_path, 2)
    config = {"merge_method": method, "models": models(tuned, weight=[0.2, 0.6])}
    config |= {"base_model": base} if based else {}
    merged, _ = run({**config, "parameters": theirs}, tmp_path / "out")
    theta0 = base if based else None
    same(merged, taujp.merge_many(tuned, [0.2, 0.6], theta0, method=method, **ours))


def test_karcher_and_a_sum_of_weights_of_zero(tmp_path):
    _, tuned = family(tmp_path, 2)
    config = {"merge_method": "karcher", "models": models(tuned)}
    merged, _ = run({**config, "parameters": {"max_iter": 3, "tol": "1e-4"}}, tmp_path / "out")
    same(merged, taujp.merge_many(tuned, [1, 1], method="karcher", steps=3, tolerance=1e-4))
    config = {"merge_method": "nuslerp", "models": models(tuned, weight=[0.5, -0.5])}
    merged, _ = run(config, tmp_path / "half")
    same(merged, taujp.merge_many(tuned, [0.5, 0.5], method="nuslerp"))


def test_only_the_base_is_the_base(tmp_path):
    base, _ = family(tmp_path, 1)
    config = {"merge_method": "ties", "base_model": base, "models": [{"model": base}]}
    merged, _ = run({**config, "dtype": "bfloat16"}, tmp_path / "out")
    same(merged, {name: tensor.bfloat16() for name, tensor in read(base).items()})


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


def stack(*parts, **parameters):
    """Slices of one source each: (path, begin, end)."""
    return [
        {"sources": [{"model": path, "layer_range": [begin, end], "parameters": parameters}]}
        for path, begin, end in parts
    ]


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
    assert "2 tensors are in none of the modules" in notes[0]  # the other tower
    written = config_of(tmp_path / "out")
    assert written["text_config"]["num_hidden_layers"] == 3
    assert written["vision_config"]["num_hidden_layers"] == 2


def test_all_that_is_missing_is_listed_before_any_work(tmp_path):
    a, b = llama(seed=1), llama(seed=2)
    del b["model.layers.1.mlp.up_proj.weight"], b["model.norm.weight"]
    b["model.extra.weight"] = torch.zeros(2)
    b["model.layers.0.self_attn.q_proj.weight"] = torch.zeros(WIDTH, 3)
    one, two = save(tmp_path / "a", a), save(tmp_path / "b", b)
    config = {"merge_method": "linear", "models": models([one, two], weight=[1, 1])}
    with pytest.raises(CheckpointError) as error:
        run(config, tmp_path / "out")
    for told in (
        "in 4 places",
        f"{two} lacks 'model.layers.1.mlp.up_proj.weight'; {one} has it",
        f"{two} lacks 'model.norm.weight'",
        f"{one} lacks 'model.extra.weight'; {two} has it",
        "of shape (8, 3)",
    ):
        assert told in str(error.value)
    with pytest.raises(MergeError, match="makes a model's folder"):
        run(config, tmp_path / "out.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    b["model.layers.0.self_attn.q_proj.weight"] = torch.zeros(WIDTH, WIDTH)
    save(tmp_path / "b", b)
    merged, notes = run(config, tmp_path / "out", missing="ignore")
    assert merged.keys() == a.keys() | b.keys()
    assert torch.equal(merged["model.norm.weight"], a["model.norm.weight"])
    assert sum("is not in all models: copied from" in note for note in notes) == 3


def test_buffers_that_models_work_out_need_not_be_everywhere(tmp_path):
    a, b = llama(seed=1), llama(seed=2)
    b["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    one, two = save(tmp_path / "a", a), save(tmp_path / "b", b)
    config = {"merge_method": "linear", "models": models([one, two], weight=[1, 1])}
    merged, notes = run(config, tmp_path / "out")
    assert merged.keys() == a.keys()
    assert any("1 buffers that models work out themselves" in note for note in notes)


@pytest.mark.parametrize("first_is_tied", [True, False])
def test_tied_and_untied_heads_are_merged_to_an_untied_one(tmp_path, first_is_tied):
    tied, free = llama(seed=1, tied=True), llama(seed=2)
    paths = [save(tmp_path / "tied", tied), save(tmp_path / "free", free)]
    paths = paths if first_is_tied else paths[::-1]
    weight = [0.25, 0.75] if first_is_tied else [0.75, 0.25]
    config = {"merge_method": "linear", "models": models(paths, weight=weight)}
    merged, _ = run(config, tmp_path / "out")
    head = 0.25 * tied["model.embed_tokens.weight"] + 0.75 * free["lm_head.weight"]
    torch.testing.assert_close(merged["lm_head.weight"], head)
    assert config_of(tmp_path / "out")["tie_word_embeddings"] is False


def test_tied_heads_stay_tied(tmp_path):
    _, tuned = family(tmp_path, 2, tied=True)
    config = {"merge_method": "linear", "models": models(tuned, weight=[1, 1])}
    merged, _ = run(config, tmp_path / "out")
    assert "lm_head.weight" not in merged
    assert config_of(tmp_path / "out")["tie_word_embeddings"] is True


def test_torch_files_keep_what_shares_a_storage(tmp_path):
    paths = []
    for i in range(2):
        state = llama(seed=i, tied=True)
        folder = tmp_path / f"{i}"
        save(folder, state)
        (folder / "model.safetensors").unlink()
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
        torch.save(state, folder / "pytorch_model.bin")
        paths.append(str(folder))
    config = {"merge_method": "linear", "models": models(paths, weight=[1, 3])}
    merged, _ = run(config, tmp_path / "out")
    assert torch.equal(merged["lm_head.weight"], merged["model.embed_tokens.weight"])
    assert set(merged) == set(llama())


def test_different_dtypes_are_told(tmp_path):
    one = save(tmp_path / "a", llama(seed=1, dtype=torch.bfloat16))
    two = save(tmp_path / "b", llama(seed=2, dtype=torch.float16))
    config = {"merge_method": "linear", "models": models([one, two], weight=[1, 1])}
    merged, notes = run(config, tmp_path / "out")
    assert {tensor.dtype for tensor in merged.values()} == {torch.float32}
    assert any("differ in dtype" in note and "float32" in note for note in notes)
    assert config_of(tmp_path / "out")["torch_dtype"] == "float32"
    merged, notes = run({**config, "dtype": "float32", "out_dtype": "float16"}, tmp_path / "half")
    assert {tensor.dtype for tensor in merged.values()} == {torch.float16}
    assert not notes


def test_integers_must_be_equal_and_are_copied(tmp_path):
    states = [{**llama(seed=i), "model.ids": torch.arange(3)} for i in range(2)]
    paths = [save(tmp_path / f"{i}", state) for i, state in enumerate(states)]
    config = {"merge_method": "linear", "models": models(paths, weight=[1, 1])}
    merged, _ = run({**config, "dtype": "bfloat16"}, tmp_path / "out")
    assert torch.equal(merged["model.ids"], torch.arange(3))
    save(tmp_path / "1", {**states[1], "model.ids": torch.arange(3) + 1})
    with pytest.raises(CheckpointError, match=r"'model\.ids' with 1 at element 0"):
        run(config, tmp_path / "other")
    save(tmp_path / "1", {**states[1], "model.ids": torch.zeros(3)})
    with pytest.raises(CheckpointError, match="integers must be equal"):
        run(config, tmp_path / "other")


def test_stepwise_is_for_chains_in_one_dtype(tmp_path):
    base, tuned = family(tmp_path, dtype=torch.bfloat16)
    config = {"base_model": base, "models": models(tuned, weight=WEIGHTS)}
    ties = {**config, "merge_method": "ties"}
    merged, _ = run(ties, tmp_path / "ties", rounding="stepwise")
    expected = taujp.merge_many(
        tuned, WEIGHTS, base, method="ties", density=1.0, rounding="stepwise"
    )
    same(merged, expected)
    with pytest.raises(MergeError, match="BF16 become F16: use rounding 'exact'"):
        run({**ties, "dtype": "float16"}, tmp_path / "out", rounding="stepwise")
    with pytest.raises(MergeError, match="sce has no rounding 'stepwise'"):
        run({**config, "merge_method": "sce"}, tmp_path / "out", rounding="stepwise")
    linear = {"merge_method": "linear", "models": config["models"]}  # rounds once there too
    merged, _ = run(linear, tmp_path / "linear", rounding="stepwise")
    same(merged, taujp.merge_many(tuned, WEIGHTS, normalize=True))


def test_architectures_are_not_mixed_by_accident(tmp_path):
    one = save(tmp_path / "a", llama(seed=1))
    two = save(tmp_path / "b", llama(seed=2), architectures=["OtherForCausalLM"])
    config = {"merge_method": "linear", "models": models([one, two], weight=[1, 1])}
    with pytest.raises(MergeError, match="different architectures"):
        run(config, tmp_path / "out")
    merged, _ = run(config, tmp_path / "out", allow_crimes=True)
    assert set(merged) == set(llama())


def test_models_that_are_not_there_are_listed(tmp_path):
    config = {"merge_method": "linear", "models": models(["no/one", "no/two"], weight=[1, 1])}
    with pytest.raises(MergeError) as error:
        run(config, tmp_path / "out")
    assert "'no/one'" in str(error.value)
    assert "'no/two'" in str(error.value)


DOCUMENTS = """\
name: half
merge_method: linear
models:
  - {{model: {0}, parameters: {{weight: 1}}}}
  - {{model: {1}, parameters: {{weight: 1}}}}
---
merge_method: linear
models:
  - {{model: half, parameters: {{weight: {2}}}}}
  - {{model: {1}, parameters: {{weight: 1}}}}
"""


def test_documents_are_made_in_turn_and_taken_again(tmp_path):
    _, (one, two) = family(tmp_path, 2)
    text = DOCUMENTS.format(one, two, 1)
    merged, _ = run(text, tmp_path / "out")
    a, b = read(one), read(two)
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, 0.25 * a[name] + 0.75 * b[name])
    made = tmp_path / "out-intermediate" / "half"
    before = made.stat().st_ino
    other = DOCUMENTS.format(one, two, 3)
    _, notes = run(other, tmp_path / "again", intermediates=tmp_path / "out-intermediate")
    assert any("half: taken as it is" in note for note in notes)
    assert made.stat().st_ino == before
    run(other, tmp_path / "anew", intermediates=made.parent, lazy=False)
    assert made.stat().st_ino != before
    run(text.replace("weight: 1}}\n---", "weight: 2}}\n---"), tmp_path / "changed",
        intermediates=made.parent)  # fmt: skip
    same(read(made), taujp.merge_many([one, two], [1, 2], normalize=True))
    os.utime(Path(one) / "config.json")  # an input newer than what was made of it
    _, notes = run(other, tmp_path / "newer", intermediates=made.parent)
    assert not any("taken as it is" in note for note in notes)


def test_of_documents_with_names_the_last_one_is_the_output(tmp_path):
    _, (one, two) = family(tmp_path, 2)
    text = DOCUMENTS.format(one, two, 1).replace("---\n", "---\nname: whole\n")
    merged, _ = run(text, tmp_path / "out")
    assert set(merged) == set(llama())
    loose = text.replace("model: half", f"model: {one}")
    with pytest.raises(MergeError, match="half, whole are used by no other document"):
        run(loose, tmp_path / "other")


def test_the_folder_says_where_it_comes_from(tmp_path):
    base, tuned = family(tmp_path)
    (Path(base) / "tokenizer.json").write_text("{}")
    config = {"merge_method": "ties", "base_model": base, "models": models(tuned, weight=WEIGHTS)}
    text = "# mine\n" + yaml.safe_dump(config)
    out = tmp_path / "out"
    run(text, out, seed=3)
    assert (out / "mergekit_config.yml").read_text() == text + "# seed: 3\n"
    assert text in (out / "README.md").read_text()
    assert (out / "tokenizer.json").exists()
    run(text, tmp_path / "bare", card=False, copy_tokenizer=False)
    names = sorted(path.name for path in (tmp_path / "bare").iterdir())
    assert names == ["config.json", "model.safetensors"]


def command(*arguments: object) -> int:
    return main(["mergekit", *map(str, arguments)])


@pytest.fixture
def written(tmp_path):
    """A configuration's file, and the folder for its output."""
    base, tuned = family(tmp_path)
    config = {"merge_method": "ties", "base_model": base, "models": models(tuned, weight=WEIGHTS)}
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump({**config, "parameters": {"density": 0.5}}))
    return path, tmp_path / "out"


def test_the_command(written, capsys):
    path, out = written
    flags = ("--lazy-unpickle", "--low-cpu-memory", "--trust-remote-code", "--write-threads", 4)
    assert command(path, out, *flags, "--random-seed", 3, "--no-write-model-card") == 0
    printed = capsys.readouterr()
    assert printed.out == f"{out}\n"
    for flag in ("--lazy-unpickle", "--low-cpu-memory", "--trust-remote-code", "--write-threads"):
        assert f"{flag} has no effect: " in printed.err
    assert not (out / "README.md").exists()
    assert command(path, out) == 1
    assert "exists" in capsys.readouterr().err
    assert command(path, out, "--overwrite", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_a_dry_run_writes_nothing(written, capsys):
    path, out = written
    before = sorted(out.parent.iterdir())
    assert command(path, out, "--dry-run") == 0
    assert "ties of 4 models" in capsys.readouterr().out
    assert sorted(out.parent.iterdir()) == before


def test_shards(written):
    path, out = written
    assert command(path, out, "--out-shard-size", "1K") == 0
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == set(llama())
    assert len(set(index["weight_map"].values())) > 3
    assert command(path, out.parent / "one", "--out-shard-size", "5B") == 0
    assert (out.parent / "one" / "model.safetensors").exists()
    same(read(out), read(out.parent / "one"))


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--unsafe-truncate-embeddings"], "tokenizer_source: base"),
        (["--no-safe-serialization"], "safetensors"),
        (["--device", "tpu"], "'tpu'"),
    ],
)
def test_what_is_refused(written, capsys, flags, told):
    path, out = written
    assert command(path, out, *flags) == 1
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_cuda_needs_a_gpu(written, capsys):
    path, out = written
    assert command(path, out, "--cuda") == (0 if torch.cuda.is_available() else 1)
    assert out.exists() or "cuda" in capsys.readouterr().err


def test_a_dry_run_of_documents_needs_what_is_made_first(tmp_path, capsys):
    _, (one, two) = family(tmp_path, 2)
    path = tmp_path / "config.yml"
    path.write_text(DOCUMENTS.format(one, two, 1))
    assert command(path, tmp_path / "out", "--dry-run") == 1
    assert "half is not made yet; its merge comes first" in capsys.readouterr().err
    assert command(path, tmp_path / "out") == 0
    assert command(path, tmp_path / "out", "--dry-run") == 0
    assert capsys.readouterr().out.count("linear of 2 models") == 2


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert command(tmp_path / "none.yml", tmp_path / "out") == 1
    assert "none.yml" in capsys.readouterr().err


CODE = """
import sys
from taujp.cli import main
code = main(["mergekit", *sys.argv[1:]])
imported = {name.split(".")[0] for name in sys.modules}
heavy = {"torch", "transformers", "tokenizers", "numpy"} & imported
sys.exit(code or len(heavy))
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_pointwise_methods_need_no_torch_and_no_hash_seed(written, seed):
    path, out = written
    config = yaml.safe_load(path.read_text())
    names = [item["model"] for item in config["models"]]
    for i, name in enumerate([*names, config.pop("base_model")]):
        marked = {**config_of(name), "mark": i}
        (Path(name) / "config.json").write_text(json.dumps(marked))
    config |= {"merge_method": "linear", "parameters": {}}
    path.write_text(yaml.safe_dump(config))
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(path), str(out)], env=environment, check=False
    )
    assert done.returncode == 0
    assert config_of(out)["mark"] == 0  # of models without a base always the first


def test_the_package_is_the_function(tmp_path):
    _, tuned = family(tmp_path, 2)
    config = {"merge_method": "linear", "models": models(tuned, weight=[1, 1])}
    import taujp.mergekit.config  # makes the name the package's

    assert taujp.mergekit(config, tmp_path / "out") == str(tmp_path / "out")
    assert callable(taujp.mergekit)


def test_adapters_are_applied_as_they_are_read(tmp_path):
    base, (tuned,) = family(tmp_path, 1)
    name = "model.layers.0.mlp.up_proj"
    shape = read(base)[f"{name}.weight"].shape
    a, b = torch.randn(2, shape[1]), torch.randn(shape[0], 2)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    weights = {
        f"base_model.model.{name}.lora_A.weight": a,
        f"base_model.model.{name}.lora_B.weight": b,
    }
    save_file(weights, adapter / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["up_proj"]}
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    paths = [f"{base}+{adapter}", tuned]
    config = {"merge_method": "linear", "models": models(paths, weight=[1, 1])}
    merged, _ = run(config, tmp_path / "out")
    adapted = {**read(base)}
    adapted[f"{name}.weight"] = adapted[f"{name}.weight"] + 2.0 * b @ a
    expected = taujp.merge_many([adapted, tuned], [1, 1], normalize=True)
    for key, tensor in expected.items():
        torch.testing.assert_close(merged[key], tensor)
    assert merged["lm_head.weight"].shape == (TOKENS, WIDTH)
