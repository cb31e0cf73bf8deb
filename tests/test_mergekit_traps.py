"""What users of mergekit meet, and must not with us (see test_mergekit_parity*.py for the rest).

The donor that changed with the hash seed, tensors that were dropped in silence, missing ones found
after minutes of work, NaN of fp16's rescale, planning that grew with the square of the tensors.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mergekit_configs import by_taujp, command, config_file
from taujp.checkpoint import CheckpointError
from taujp.merge.errors import MergeError
from tiny_transformers import config_of, tiny, weights  # noqa: F401  (a fixture)
from tolerance import same_bits

AVERAGE = """
merge_method: linear
models: [{model: c}, {model: a}, {model: b}, {model: base}]
parameters: {weight: 0.25}
"""
VECTORS = """
merge_method: task_arithmetic
base_model: base
models: [{model: a, parameters: {weight: 0.7}}, {model: b, parameters: {weight: 0.4}}]
"""


def copies(folders, place: Path) -> dict[str, Path]:
    """The same models in folders of their own, to be changed."""
    return {name: Path(shutil.copytree(path, place / name)) for name, path in folders.items()}


def rewritten(folder: Path, change) -> None:
    """Changes a model's tensors in its file."""
    state = weights(folder)
    change(state)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def refused(config: str, folders, place: Path, **options) -> str:
    """What is said of a configuration that cannot be merged; nothing of an output remains."""
    before = sorted(path.name for path in place.iterdir())
    with pytest.raises((MergeError, CheckpointError)) as caught:
        by_taujp(config, folders, place, **options)
    left = sorted(path.name for path in place.iterdir() if path.name != "ours.yml")
    assert left == [name for name in before if name != "ours.yml"]
    return str(caught.value)


def test_the_donor_does_not_change_with_the_hash_seed(tiny, tmp_path):  # noqa: F811
    """Without a base it is the first model of the configuration: its config.json, its tokenizer."""
    folders = copies(tiny("llama", torch.bfloat16), tmp_path)
    for name, folder in folders.items():
        (folder / "config.json").write_text(json.dumps({**config_of(folder), "marker": name}))
        (folder / "tokenizer_config.json").write_text(json.dumps({"marker": name}))
        (folder / "tokenizer.json").write_text("{}")
    config = config_file(AVERAGE, folders, tmp_path / "config.yml")
    for seed in "0123":
        out = tmp_path / f"out-{seed}"
        ran = command(config, out, PYTHONHASHSEED=seed)
        assert ran.returncode == 0, ran.stderr
        assert config_of(out)["marker"] == "c"
        assert json.loads((out / "tokenizer_config.json").read_text()) == {"marker": "c"}


@pytest.mark.parametrize("config", [AVERAGE, VECTORS], ids=["models", "base"])
def test_missing_tensors_are_listed_before_work_begins(tiny, tmp_path, config):  # noqa: F811
    folders = copies(tiny("llama", torch.bfloat16), tmp_path)
    gone = ["model.layers.3.mlp.up_proj.weight", "model.norm.weight"]
    rewritten(folders["b"], lambda state: [state.pop(name) for name in gone])
    rewritten(folders["a"], lambda state: state.pop("model.layers.2.mlp.gate_proj.weight"))
    told = refused(config, folders, tmp_path)
    for name in (*gone, "model.layers.2.mlp.gate_proj.weight"):
        assert name in told


def test_a_shape_that_differs_is_told_before_work_begins(tiny, tmp_path):  # noqa: F811
    folders = copies(tiny("llama", torch.bfloat16), tmp_path)
    name = "model.layers.1.mlp.up_proj.weight"
    rewritten(folders["b"], lambda state: state.update({name: state[name][:-1].clone()}))
    told = refused(AVERAGE, folders, tmp_path)
    assert name in told
    assert "47" in told


def test_layers_that_no_model_has_are_told_before_work_begins(tiny, tmp_path):  # noqa: F811
    config = """
merge_method: passthrough
slices:
  - sources: [{model: a, layer_range: [0, 3]}]
  - sources: [{model: b, layer_range: [2, 9]}]
"""
    told = refused(config, tiny("llama", torch.bfloat16), tmp_path)
    assert "9" in told
    assert "4" in told


def test_tensors_that_no_architecture_lists_are_merged(tiny, tmp_path):  # noqa: F811
    """mergekit's Llama has no such tensors: it writes a model without them and says nothing."""
    folders = copies(tiny("llama", torch.float32), tmp_path)
    extra = ["value_head.weight", "model.layers.2.self_attn.gate", "model.extra.bias"]
    generator = torch.Generator().manual_seed(0)
    for folder in folders.values():
        news = {name: torch.randn(5, generator=generator) for name in extra}
        rewritten(folder, lambda state, news=news: state.update(news))
    merged = weights(by_taujp(VECTORS, folders, tmp_path))
    base, a, b = (weights(folders[name]) for name in ("base", "a", "b"))
    assert set(merged) == set(base)
    for name in extra:
        expected = base[name] + 0.7 * (a[name] - base[name]) + 0.4 * (b[name] - base[name])
        torch.testing.assert_close(merged[name], expected)


@pytest.mark.parametrize("where", ["base", "a"])
def test_a_tensor_that_only_one_model_has_is_told_or_copied(tiny, tmp_path, where):  # noqa: F811
    folders = copies(tiny("llama", torch.float32), tmp_path)
    rewritten(folders[where], lambda state: state.update({"value_head.weight": torch.ones(5)}))
    told = refused(VECTORS, folders, tmp_path)
    assert "value_head.weight" in told
    with pytest.warns(UserWarning, match=r"'value_head.weight' is not in all models: copied from"):
        merged = weights(by_taujp(VECTORS, folders, tmp_path, missing="ignore"))
    torch.testing.assert_close(merged["value_head.weight"], torch.ones(5))


def test_integer_buffers_survive(tiny, tmp_path):  # noqa: F811
    folders = copies(tiny("llama", torch.bfloat16), tmp_path)
    buffer = {"model.position_ids": torch.arange(9)}
    for folder in folders.values():
        rewritten(folder, lambda state: state.update(buffer))
    merged = weights(by_taujp(VECTORS, folders, tmp_path))
    assert torch.equal(merged["model.position_ids"], torch.arange(9))


def test_masked_models_lose_nothing(tiny, tmp_path):  # noqa: F811
    """mergekit wants a pooler of a BertForMaskedLM, which has none, and fails."""
    folders = tiny("bert-mlm", torch.bfloat16)
    merged = weights(by_taujp(VECTORS, folders, tmp_path))
    assert set(merged) == set(weights(folders["base"]))


@pytest.mark.parametrize(
    ("method", "rounding"),
    [
        (method, rounding)
        for method in ("ties", "breadcrumbs", "dare_ties", "della")
        for rounding in ("exact", "stepwise")
    ],
)
def test_rescaling_in_fp16_stays_finite(tmp_path, method, rounding):
    """The sum of magnitudes of this task vector is 130,000; fp16 ends at 65,504."""
    folders = {name: tmp_path / name for name in ("base", "a")}
    generator = torch.Generator().manual_seed(0)
    for folder in folders.values():
        state = {"w": torch.randn(400, 400, generator=generator).half()}
        folder.mkdir()
        (folder / "config.json").write_text("{}")
        save_file(state, folder / "model.safetensors")
    config = f"""
merge_method: {method}
base_model: base
models: [{{model: a, parameters: {{weight: 1.0, density: 0.5}}}}]
parameters: {{rescale: true, normalize: false}}
"""
    merged = weights(by_taujp(config, folders, tmp_path, rounding=rounding))["w"]
    base, tuned = (weights(folders[name])["w"].double() for name in ("base", "a"))
    assert torch.isfinite(merged).all()
    moved = (merged.double() - base).abs().sum()
    assert abs(moved / (tuned - base).abs().sum() - 1) < 2e-3


def test_gradients_give_what_is_outside_of_layers_their_first_value(tiny, tmp_path):  # noqa: F811
    config = """
merge_method: linear
models:
  - {model: a, parameters: {weight: [1, 0]}}
  - {model: b, parameters: {weight: [0, 1]}}
"""
    folders = tiny("llama", torch.bfloat16)
    merged = weights(by_taujp(config, folders, tmp_path))
    a, b = weights(folders["a"]), weights(folders["b"])
    for name in ("model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"):
        assert same_bits(merged[name], a[name]), name
    assert same_bits(
        merged["model.layers.0.mlp.up_proj.weight"], a["model.layers.0.mlp.up_proj.weight"]
    )
    assert same_bits(
        merged["model.layers.3.mlp.up_proj.weight"], b["model.layers.3.mlp.up_proj.weight"]
    )


def test_a_mixture_of_dtypes_is_told(tiny, tmp_path):  # noqa: F811
    """bf16 and fp16 meet in fp32, of which mergekit says nothing and writes twice the bytes."""
    halves = {"a": tiny("llama", torch.bfloat16)["a"], "b": tiny("llama", torch.float16)["b"]}
    config = "merge_method: linear\nmodels: [{model: a}, {model: b}]\nparameters: {weight: 0.5}\n"
    ran = command(config_file(config, halves, tmp_path / "mixed.yml"), tmp_path / "out")
    assert ran.returncode == 0, ran.stderr
    assert "39 tensors differ in dtype" in ran.stderr
    assert "float32" in ran.stderr
    assert {t.dtype for t in weights(tmp_path / "out").values()} == {torch.float32}
    assert config_of(tmp_path / "out")["dtype"] == "float32"
    told = config_file(config + "dtype: bfloat16\n", halves, tmp_path / "told.yml")
    ran = command(told, tmp_path / "chosen")
    assert ran.returncode == 0, ran.stderr
    assert "dtype" not in ran.stderr


def test_a_layer_may_occur_twice(tiny, tmp_path):  # noqa: F811
    """mergekit needs --clone-tensors for it; and its Qwen2 fails at config.json's layer_types."""
    config = """
merge_method: passthrough
slices:
  - sources: [{model: a, layer_range: [0, 3]}]
  - sources: [{model: a, layer_range: [1, 4]}]
"""
    transformers = pytest.importorskip("transformers")
    for family in ("llama", "qwen2", "qwen3"):
        place = tmp_path / family
        place.mkdir()
        folders = tiny(family, torch.bfloat16)
        out = by_taujp(config, folders, place)
        merged, a = weights(out), weights(folders["a"])
        for made, source in enumerate((0, 1, 2, 1, 2, 3)):
            name = "model.layers.{}.mlp.up_proj.weight"
            assert same_bits(merged[name.format(made)], a[name.format(source)])
        assert config_of(out)["num_hidden_layers"] == 6
        if family != "llama":
            assert config_of(out)["layer_types"] == ["full_attention"] * 6
        model, loading = transformers.AutoModelForCausalLM.from_pretrained(
            out, output_loading_info=True
        )
        assert not loading["missing_keys"]
        assert not loading["unexpected_keys"]
        assert model.generate(torch.tensor([[3, 4]]), max_new_tokens=3, do_sample=False).shape == (
            1,
            5,
        )
