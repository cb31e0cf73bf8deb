"""MagMax: the largest change wins."""

from ..method import merge_method
from ..recipe import Recipe, yes_or_no


@merge_method("magmax")
def magmax(n: int, *, normalize: bool = False) -> Recipe:
    """Consolidate task vectors of one model trained on one task after another.

    Each element takes the c_i tau_i of largest magnitude (between +v and -v, +v; in the authors'
    program the later task's), times lambda.
    The paper has one coefficient for all (0.5 in their program for eight data sets): give it as
    all of `coefs`, or as `lambda_`. `normalize` divides each element by the winner's c_i.
    Source: Marczak et al. 2024, arXiv 2407.06322.
    """
    return Recipe(fold="largest", normalize=yes_or_no("normalize", normalize))
