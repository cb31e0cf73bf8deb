"""Slices, stacks, modules, dtypes and documents: ours against mergekit 0.1.5's output."""

from __future__ import annotations

import pytest
import torch

from mergekit_configs import (  # noqa: F401
    Both,
    assert_bits,
    assert_near,
    both,
    by_taujp,
    command,
    config_file,
)
from test_mergekit_parity_models import unlisted
from tiny_transformers import config_of, tiny, weights  # noqa: F401

STACK = """
merge_method: passthrough
slices:
  - sources: [{model: a, layer_range: [0, 3]}]
  - sources: [{model: b, layer_range: [1, 4]}]
"""
# Embeddings are of the first slice, norm and head of the last; a slice of one layer has t = 1.
SLICED = """
merge_method: linear
parameters: {weight: 0.4, normalize: false}
slices:
  - sources:
      - {model: a, layer_range: [0, 2], parameters: {weight: [0.1, 0.9]}}
      - {model: b, layer_range: [1, 3], parameters: {weight: {filter: layers.2, value: 2}}}
  - sources:
      - {model: c, layer_range: [3, 4], parameters: {weight: [0.3, 0.8]}}
      - {model: a, layer_range: [0, 1]}
    parameters: {weight: [0.7, 0.2]}
  - sources:
      - {model: b, layer_range: [0, 4], parameters: {weight: [{filter: mlp, value: [0, 0.5, 1]}]}}
      - {model: c, layer_range: [0, 4]}
    parameters: {normalize: true}
"""
ENDS = """
merge_method: passthrough
slices:
  - sources: [{model: a, layer_range: [0, 0]}]
  - sources: [{model: b, layer_range: [1, 3]}]
  - sources: [{model: c, layer_range: [4, 4]}]
"""
ARCS = """
merge_method: slerp
base_model: a
slices:
  - sources: [{model: a, layer_range: [0, 4]}, {model: b, layer_range: [0, 4]}]
parameters:
  t:
    - {filter: self_attn, value: [0, 0.5, 0.3, 0.7, 1]}
    - {filter: mlp, value: [1, 0.5, 0.7, 0.3, 0]}
    - {value: 0.5}
dtype: bfloat16
"""
BASES = """
merge_method: task_arithmetic
base_model: base
slices:
  - sources:
      - {model: base, layer_range: [0, 2]}
      - {model: a, layer_range: [0, 2], parameters: {weight: 0.7}}
  - base_model: c
    sources:
      - {model: b, layer_range: [2, 4], parameters: {weight: [0.5, 0.3]}}
      - {model: c, layer_range: [2, 4]}
parameters: {lambda: 0.9}
"""
SCALED = """
merge_method: passthrough
slices:
  - sources:
      - {model: a, layer_range: [0, 4]}
  - sources:
      - model: a
        layer_range: [2, 4]
        parameters:
          scale: [{filter: o_proj, value: 0.0}, {filter: down_proj, value: 0.0}, {value: 1.0}]
"""
MODULES = """
merge_method: linear
modules:
  text_model.encoder.layers:
    models:
      - {model: a, parameters: {weight: [0, 1]}}
      - {model: b, parameters: {weight: 0.5}}
  vision_model.encoder.layers:
    parameters: {weight: 0.25}
    slices:
      - sources:
          - {model: a, layer_range: [0, 2], parameters: {weight: [0.9, 0.1]}}
          - {model: b, layer_range: [0, 2]}
      - sources: [{model: c, layer_range: [2, 3]}, {model: a, layer_range: [2, 3]}]
  default:
    models: [{model: a}, {model: c, parameters: {weight: 0.8}}]
parameters: {weight: 0.5}
"""
LINEAR = """
merge_method: linear
models:
  - {model: a, parameters: {weight: 0.7}}
  - {model: b, parameters: {weight: [0.5, 0.1]}}
"""
VECTORS = """
merge_method: task_arithmetic
base_model: base
models: [{model: a, parameters: {weight: 0.7}}, {model: b, parameters: {weight: -0.3}}]
"""


@pytest.mark.parametrize(
    "config", [STACK, SLICED, SCALED, ENDS], ids=["stack", "sliced", "scaled", "ends"]
)
@pytest.mark.parametrize("family", ["llama", "mistral", "gpt2", "bert-classifier"])
def test_slices(both, tiny, family, config):  # noqa: F811
    config = config.replace("layers.2", "h.2" if family == "gpt2" else "layer.2")
    assert_bits(*both(config, tiny(family, torch.bfloat16)))


def test_slices_along_the_arc(both, tiny):  # noqa: F811
    """The configuration of mergekit's own examples."""
    assert_near(*both(ARCS, tiny("llama", torch.bfloat16)), tolerance=2.0**-8)


def test_a_slice_with_a_base_of_its_own(both, tiny):  # noqa: F811
    assert_bits(*both(BASES, tiny("llama", torch.bfloat16), rounding="stepwise"))


def test_the_configuration_counts_the_layers(both, tiny, tmp_path):  # noqa: F811
    folders = tiny("llama", torch.bfloat16)
    for config, layers in ((STACK, 6), (SLICED, 7), (LINEAR, 4), (ENDS, 2)):
        place = tmp_path / str(layers)
        place.mkdir()
        theirs = config_of(both.by_mergekit(config, folders, place))
        ours = config_of(by_taujp(config, folders, place))
        assert ours["num_hidden_layers"] == theirs["num_hidden_layers"] == layers
        assert ours["architectures"] == theirs["architectures"]


def test_modules(both, tiny, tmp_path):  # noqa: F811
    folders = unlisted(tiny("clip", torch.bfloat16), tmp_path)
    assert_bits(*both(MODULES, folders))


@pytest.mark.parametrize("inputs", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(
    "dtypes",
    [
        "dtype: float32",
        "dtype: bfloat16",
        "out_dtype: float16",
        "dtype: float32\nout_dtype: bfloat16",
        "dtype: bfloat16\nout_dtype: float32",
    ],
    ids=lambda text: text.replace("\n", " "),
)
def test_dtypes(both, tiny, inputs, dtypes):  # noqa: F811
    """`dtype` is that of the work, `out_dtype` that of the files; without them the inputs' own."""
    folders = tiny("llama", getattr(torch, inputs))
    for config in (LINEAR, VECTORS):
        ours, theirs = both(f"{config}{dtypes}\n", folders)
        narrow = "bfloat16" in dtypes or inputs == "bfloat16"
        widest = 2.0**-7 if narrow else 2.0**-10 if "float16" in dtypes + inputs else 2e-7
        assert_near(ours, theirs, dtypes, tolerance=widest)


def test_what_wide_work_and_narrow_files_give_to_the_bit(both, tiny):  # noqa: F811
    for inputs in (torch.bfloat16, torch.float32):
        ours, theirs = both(LINEAR + "dtype: float32\nout_dtype: bfloat16\n", tiny("llama", inputs))
        assert_bits(ours, theirs)


def test_documents_that_build_on_each_other(both: Both, tiny, tmp_path):  # noqa: F811
    folders = tiny("llama", torch.bfloat16)
    first = "name: first\n" + LINEAR
    second = LINEAR.replace("model: a", "model: first").replace("0.7", "0.2")
    (tmp_path / "first").mkdir()
    made = both.by_mergekit(LINEAR, folders, tmp_path / "first")
    made = both.by_mergekit(second, {**folders, "first": made}, tmp_path)
    ours = by_taujp(first + "---" + second, folders, tmp_path)
    assert_bits(weights(ours), weights(made))


def test_files_of_so_many_parameters(both: Both, tiny, tmp_path):  # noqa: F811
    """--out-shard-size counts parameters, as mergekit's does."""
    folders = tiny("llama", torch.bfloat16)
    theirs = both.by_mergekit(LINEAR, folders, tmp_path, out_shard_size=10_000)
    ours = tmp_path / "ours"
    ran = command(
        config_file(LINEAR, folders, tmp_path / "ours.yml"), ours, "--out-shard-size", "10k"
    )
    assert ran.returncode == 0, ran.stderr
    assert_bits(weights(ours), weights(theirs))
    for folder in (ours, theirs):
        files = sorted(folder.glob("*.safetensors"))
        assert len(files) > 2, files
        sizes = [sum(t.numel() for t in weights_of_file(file).values()) for file in files]
        assert max(sizes) <= 10_000


def weights_of_file(file):
    """The tensors of one file."""
    from safetensors.torch import load_file

    return load_file(file)
