"""MagMax: the largest change wins."""

from ..method import merge_method
from ..recipe import Recipe


@merge_method("magmax")
def magmax(n: int, *, normalize: bool = False) -> Recipe:
    """Consolidate task vectors of one model trained on one task after another.

    Each element takes the c_i tau_i of largest magnitude (between +v and -v, +v), times lambda.
    The paper has one coefficient for all: give it as all of `coefs`, or as `lambda_`.
    Source: Marczak et al. 2024, arXiv 2407.06322.
    """
    return Recipe(fold="largest", normalize=normalize)
