"""Arcee Fusion: take over only the changes that stand out."""

from ..method import merge_method
from ..recipe import Recipe


@merge_method(
    "arcee_fusion",
    checkpoints=(1, 1),
    weighted=False,
    cost="four passes: divergences, quartiles, the merge",
)
def arcee_fusion(n: int) -> Recipe:
    """Fuse a fine-tune into its base by its important changes alone.

    The importance of an element is |tau| times its row's KL(softmax(theta_1) || softmax(theta0))
    (1e-8 added to every probability); theta = theta0 + tau where it is at least the parameter's
    median + 1.5 (third - first quartile). Quartiles are those of all elements (mergekit samples a
    million of larger parameters); divergences are summed in a form in which nothing cancels
    (csrc/merge/divergence.h; mergekit's, in the input's dtype, are rounding alone where they are
    small).
    Source: Arcee Fusion, as in mergekit 0.1.5.
    """
    return Recipe(sparsifier="importance", density=(1.0,) * n)
