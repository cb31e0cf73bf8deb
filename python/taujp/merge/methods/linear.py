"""Weighted sums of checkpoints."""

from ..method import merge_method
from ..recipe import Recipe, yes_or_no


@merge_method("linear", needs_base=False)
def linear(n: int, *, normalize: bool = False) -> Recipe:
    """Average or add whole checkpoints: model soups, interpolation; no base needed.

    theta = lambda * sum_i c_i theta_i, divided by sum_i c_i where `normalize` is true.
    As in the paper the sum is taken as it stands; mergekit normalises by default.
    Source: Wortsman et al. 2022, arXiv 2203.05482.
    Plain torch: `sum(c * theta for c, theta in zip(coefs, ckpts))`.
    """
    return Recipe(fold="linear", normalize=yes_or_no("normalize", normalize))
