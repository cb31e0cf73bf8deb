"""Configurations through `taujp.mergekit`, and what comes of them."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch
from safetensors.torch import load_file

import taujp

WEIGHTS = [0.5, 0.3, 0.4]  # of three models


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


def stack(*parts, **parameters):
    """Slices of one source each: (path, begin, end)."""
    return [
        {"sources": [{"model": path, "layer_range": [begin, end], "parameters": parameters}]}
        for path, begin, end in parts
    ]


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
