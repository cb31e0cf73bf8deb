"""Random configurations on several architectures: ours against mergekit 0.1.5's output."""

from __future__ import annotations

import pytest
import torch

from mergekit_configs import assert_bits, assert_near, both  # noqa: F401  (a fixture)
from mergekit_random_configs import VECTORS_BY_WEIGHT, random_config
from tiny_transformers import tiny  # noqa: F401  (a fixture)

FAMILIES = ("llama", "mistral", "gpt2", "bert-classifier")
ONCE = ("linear", "passthrough")
NEAR = {"slerp": 4e-7, "karcher": 3e-5}  # of the rest 2e-6: sums of another order, in fp32


@pytest.mark.parametrize("seed", range(64))
def test_a_random_configuration(both, tiny, seed):  # noqa: F811
    method, config = random_config(seed)
    chain = method in VECTORS_BY_WEIGHT
    dtype = torch.bfloat16 if seed % 2 else torch.float16 if chain else torch.float32
    dtype = dtype if chain or method in ONCE else torch.float32
    options = {"rounding": "stepwise"} if chain else {}
    ours, theirs = both(config, tiny(FAMILIES[seed % 4], dtype), **options)
    # Weights that sum to zero: it divides by that, and writes NaN; ours divides by 1.
    finite = [name for name, tensor in theirs.items() if bool(tensor.isfinite().all())]
    assert all(bool(tensor.isfinite().all()) for tensor in ours.values())
    assert len(finite) == len(theirs) or method in ("linear", "multislerp")
    assert set(ours) == set(theirs)
    ours, theirs = ({name: side[name] for name in finite} for side in (ours, theirs))
    if chain or method in ONCE:
        assert_bits(ours, theirs, config)
    else:
        assert_near(ours, theirs, config, tolerance=NEAR.get(method, 2e-6))
