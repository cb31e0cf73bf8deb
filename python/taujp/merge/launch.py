"""The launch of the merge kernels over flat lists of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch

import taujp_ext

from .prepare import Merge
from .recipe import coin_key


def call_kernel(
    merge: Merge,
    names: Sequence[str],
    sources: list[torch.Tensor],
    bases: list[torch.Tensor],
    results: list[torch.Tensor],
) -> torch.Tensor:
    """Run the merge's recipe over flat lists: sources [P * N], bases [P] or none, results [P * K].

    Returns [P] int8: 1 where an input of the parameter held a NaN or an infinity.
    """
    tables = torch.tensor(merge.coefficients.tables, dtype=torch.float32)
    groups = torch.tensor(merge.coefficients.groups(names), dtype=torch.int64)
    return launch(merge, names, tables, groups, sources, bases, results)


def launch(
    merge: Merge,
    names: Sequence[str],
    tables: torch.Tensor,
    groups: torch.Tensor,
    sources: list[torch.Tensor],
    bases: list[torch.Tensor],
    results: list[torch.Tensor],
) -> torch.Tensor:
    """taujp::merge_ with tables [groups, K, N] of coefficients and the group of each parameter."""
    taujp_ext.load()
    n, recipe = len(merge.checkpoints), merge.recipe
    keys = (
        [coin_key(recipe.seed, i, name) for name in names for i in range(n)] if recipe.draws else []
    )
    return torch.ops.taujp.merge_(
        sources,
        bases,
        results,
        tables,
        groups,
        torch.tensor(keys, dtype=torch.uint64).view(torch.int64),
        list(merge.lambdas),
        list(recipe.shares(n)),
        list(recipe.skip),
        recipe.fold,
        recipe.sparsifier,
        recipe.rescale,
        "exact" if merge.rounding == "exact" or not names else merge.dtype_of(names[0]),
        recipe.normalize,
        recipe.keep_one,
        merge.deltas,
        recipe.over_model,
        torch.get_num_threads(),
        list(recipe.spread),
        list(recipe.dials),
        recipe.weighting,
        [recipe.row(merge.donor.entries[name].shape) for name in names],
    )
