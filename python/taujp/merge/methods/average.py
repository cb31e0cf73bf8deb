"""The weighted mean of checkpoints."""

from ..method import merge_method
from ..recipe import Recipe


@merge_method("average", needs_base=False)
def average(n: int) -> Recipe:
    """Take the mean of checkpoints that were fine-tuned alike: a model soup.

    theta = sum_i c_i theta_i / sum_i c_i; equal coefficients give the plain mean. The same as
    `linear` with normalize.
    Source: Wortsman et al. 2022, arXiv 2203.05482.
    """
    return Recipe(fold="linear", normalize=True)
