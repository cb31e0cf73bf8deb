"""Task arithmetic: the sum of task vectors."""

from ..method import merge_method
from ..recipe import Recipe, yes_or_no


@merge_method("task_arithmetic")
def task_arithmetic(n: int, *, normalize: bool = False) -> Recipe:
    """Add, negate or combine what fine-tuning changed: the first thing to try.

    theta = theta0 + lambda * sum_i c_i (theta_i - theta0), the sum divided by sum_i c_i where
    `normalize` is true.
    Source: Ilharco et al. 2023, arXiv 2212.04089.
    Plain torch: `theta0 + sum(c * (theta - theta0) for c, theta in zip(coefs, ckpts))`.
    """
    return Recipe(fold="linear", normalize=yes_or_no("normalize", normalize))
