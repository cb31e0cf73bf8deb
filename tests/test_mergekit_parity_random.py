"""Random configurations on several architectures: ours against mergekit 0.1.5's output."""

from __future__ import annotations

import pytest
import torch

from mergekit_configs import assert_bits, assert_near, both  # noqa: F401  (a fixture)
from mergekit_random_configs import random_config
from tiny_transformers import tiny  # noqa: F401  (a fixture)

FAMILIES = ("llama", "mistral", "gpt2", "bert-classifier")
CHAINS = ("task_arithmetic", "ties")


@pytest.mark.parametrize("seed", range(32))
def test_a_random_configuration(both, tiny, seed):  # noqa: F811
    method, config = random_config(seed)
    dtype = torch.bfloat16 if seed % 2 or method not in CHAINS else torch.float16
    options = {"rounding": "stepwise"} if method in CHAINS else {}
    ours, theirs = both(config, tiny(FAMILIES[seed % 4], dtype), **options)
    # Weights that sum to zero: it divides by that, and writes NaN; ours divides by 1.
    finite = [name for name, tensor in theirs.items() if bool(tensor.isfinite().all())]
    assert all(bool(tensor.isfinite().all()) for tensor in ours.values())
    assert len(finite) == len(theirs) or method == "linear"
    assert set(ours) == set(theirs)
    ours, theirs = ({name: side[name] for name in finite} for side in (ours, theirs))
    if method == "slerp":
        assert_near(ours, theirs, config, tolerance=2.0**-8)
    else:
        assert_bits(ours, theirs, config)
