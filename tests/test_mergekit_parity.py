"""Every method of mergekit 0.1.5 by its configurations, on a tiny Llama: ours against its output.

mergekit is an oracle, run as installed from the registry. Where elements are picked by equal
magnitudes or at random, test_mergekit_parity_picks.py compares what must hold.
"""

from __future__ import annotations

import pytest
import torch

from mergekit_cases import CASES, Case
from mergekit_configs import assert_bits, assert_near, both  # noqa: F401  (a fixture)
from tiny_transformers import tiny  # noqa: F401  (a fixture)

ROWS = [
    pytest.param(case, dtype, id=f"{name}-{str(dtype).removeprefix('torch.')}")
    for group in CASES.values()
    for name, case in group.items()
    for dtype in case.dtypes
]


@pytest.mark.parametrize(("case", "dtype"), ROWS)
def test_a_method_as_mergekit_does_it(both, tiny, case: Case, dtype: torch.dtype):  # noqa: F811
    options = {"rounding": "stepwise"} if case.stepwise else {}
    ours, theirs = both(case.config, tiny("llama", dtype), **options)
    if case.bits:
        assert_bits(ours, theirs)
    else:
        wide = dtype == torch.float32
        near, share = (case.near, case.share) if wide else (case.half, case.half_share)
        assert_near(ours, theirs, tolerance=near, share=share)


def test_every_method_of_mergekit_is_compared():
    """Those that draw at random are in test_mergekit_parity_picks.py."""
    configs = [case.config for group in CASES.values() for case in group.values()]
    compared = {
        line.split()[1] for text in configs for line in text.splitlines() if "merge_method" in line
    }
    known = {
        "linear", "passthrough", "task_arithmetic", "ties", "dare_linear", "dare_ties", "della",
        "della_linear", "breadcrumbs", "breadcrumbs_ties", "slerp", "nuslerp", "multislerp",
        "karcher", "model_stock", "nearswap", "sce", "arcee_fusion", "ram", "ramplus_tl",
    }  # fmt: skip
    assert compared == known
