"""A checkpoint as it is, or scaled."""

from ..method import merge_method
from ..recipe import Recipe


@merge_method("passthrough", needs_base=False, checkpoints=(1, 1))
def passthrough(n: int) -> Recipe:
    """Write a checkpoint anew: another format or dtype, renamed, or parts of it scaled.

    theta = c theta_1; 1 changes nothing, coefficients by groups of parameters scale some of them
    (mergekit's `scale`).
    """
    return Recipe(fold="linear")
