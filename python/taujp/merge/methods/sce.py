"""SCE: select by variance, calculate weights, erase against the majority's sign."""

from ..method import merge_method
from ..recipe import Recipe, one_number


@merge_method("sce", weighted=False, cost="three passes: variances, squares, the merge")
def sce(n: int, *, density: float = 1.0) -> Recipe:
    """Fuse models of one base by what they changed differently, the strongest change weighing most.

    Of each parameter the floor(`density` * number of nonzero variances) elements whose tau vary
    most over the checkpoints are kept, in all of them (equal variances: the lowest indices; one
    checkpoint has no variance: give density 1). Then w_i = mean(tau_i^2) / their sum, the sign of
    sum_i tau_i is elected (a tie elects +, zeros abstain), and theta = theta0 + the mean of what
    agrees, weighted by w_i. mergekit calls density select_topk, with this default; the paper keeps
    a tenth. Where all mean(tau_i^2) sum to less than 1e-6 mergekit takes equal weights, here and in
    the authors' program only zero does. That program (FuseChat's own mergekit) selects for the
    weights alone and merges all elements; the paper and mergekit merge the selected ones.
    Source: Wan et al. 2024, arXiv 2408.07990.
    """
    share = one_number("density", density, 0.0, 1.0)
    return Recipe(
        fold="elect_unweighted",
        sparsifier="variance" if share < 1 else "none",
        normalize=True,
        density=(share,) * n,
        weighting="squares",
    )
