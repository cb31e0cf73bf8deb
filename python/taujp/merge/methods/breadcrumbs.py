"""Model breadcrumbs: drop the outliers and the small changes."""

from ..method import merge_method
from ..recipe import Recipe, one_each, one_of, yes_or_no
from .ties import ELECTIONS, NORMS


def _breadcrumbs(
    n: int,
    *,
    density: float | list[float],
    gamma: float | list[float],
    normalize: bool,
    rescale: str | None,
    fold: str,
) -> Recipe:
    return Recipe(
        fold=fold,
        sparsifier="magnitude",
        rescale=one_of("rescale", rescale, NORMS),
        normalize=yes_or_no("normalize", normalize),
        density=one_each("density", density, n),
        skip=one_each("gamma", gamma, n),
    )


@merge_method("breadcrumbs", cost="two passes: ranks, then the merge")
def breadcrumbs(
    n: int,
    *,
    density: float | list[float] = 0.9,
    gamma: float | list[float] = 0.01,
    normalize: bool = False,
    rescale: str | None = None,
) -> Recipe:
    """Add task vectors without their outliers and without their noise.

    Of each tau_i the floor(gamma * size) largest are dropped, then the next floor(density * size)
    kept (fewer are dropped at the top where both do not fit), the rest dropped. `rescale`: "l1"
    scales what stays of a parameter to the L1 norm it had (mergekit's `rescale`). `normalize`
    divides the sum by sum_i c_i.
    The defaults are those that mergekit recommends. The authors keep far less, density 0.05 to 0.2
    with gamma 0.001 to 0.01, and scale the sum (lambda_ 0.2 to 0.3); their program ranks each row
    of the last dimension by itself.
    Source: Davari & Belilovsky 2024, arXiv 2312.06795.
    """
    return _breadcrumbs(
        n, density=density, gamma=gamma, normalize=normalize, rescale=rescale, fold="linear"
    )


@merge_method("breadcrumbs_ties", cost="two passes: ranks, then the merge")
def breadcrumbs_ties(
    n: int,
    *,
    density: float | list[float] = 0.9,
    gamma: float | list[float] = 0.01,
    normalize: bool = False,
    rescale: str | None = None,
    election: str = "weighted",
) -> Recipe:
    """Breadcrumbs, then TIES' election of a sign: see `breadcrumbs` and `ties`.

    Not normalised by default, as in mergekit. Source: Davari & Belilovsky 2024, arXiv 2312.06795;
    mergekit 0.1.5.
    """
    fold = one_of("election", election, ELECTIONS)
    return _breadcrumbs(
        n, density=density, gamma=gamma, normalize=normalize, rescale=rescale, fold=fold
    )
