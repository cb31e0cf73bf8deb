"""RAM: what one model alone learned is kept, what several did is averaged."""

from ..method import merge_method
from ..recipe import Recipe, one_number


@merge_method("ram", weighted=False)
def ram(n: int, *, epsilon: float = 1e-5) -> Recipe:
    """Merge agents trained by reinforcement learning, whose changes are few and mostly their own.

    An element counts for those with |tau_i| > `epsilon`; theta = theta0 + the mean of their tau_i:
    unique changes are kept in full, shared ones averaged, smaller ones dropped.
    Source: arXiv 2601.13572, as in mergekit 0.1.5.
    """
    return Recipe(fold="own_or_mean", dials=(one_number("epsilon", epsilon, 0.0),))


@merge_method("ramplus_tl", weighted=False, cost="two passes: counts, then the merge")
def ramplus_tl(n: int, *, ratio: float = 0.1, most: float = 0.2, epsilon: float = 1e-5) -> Recipe:
    """RAM with unique changes scaled up by how much of a model's changes are shared.

    A tau_i's unique elements are multiplied by 1 + `ratio` min(shared / unique, `most`), with the
    numbers of its shared and its unique elements in this parameter (tensor-local; the authors'
    program counts over the model, with `ratio` 0.2 and `most` 1). mergekit calls them r and alpha.
    `epsilon` as of `ram`. Source: arXiv 2601.13572, as in mergekit 0.1.5.
    """
    least = one_number("epsilon", epsilon, 0.0)
    r = one_number("ratio", ratio, 0.0)
    alpha = one_number("most", most, 0.0)
    return Recipe(fold="own_or_mean", weighting="changes", dials=(least, r, alpha))
