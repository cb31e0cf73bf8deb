"""DELLA: drop at random, small changes more often than large ones."""

from ..errors import MergeError
from ..method import merge_method
from ..recipe import Recipe, one_each, one_of, seed_of, yes_or_no
from .dare import RESCALES
from .ties import ELECTIONS

COST = "ranks in rows; a bit an element is kept where an L1 norm is"


@merge_method("della", cost=COST)
def della(
    n: int,
    *,
    density: float | list[float] = 0.5,
    epsilon: float | list[float] = 0.15,
    rescale: str | None = "density",
    seed: int = 0,
    normalize: bool = True,
    election: str = "weighted",
) -> Recipe:
    """DELLA's thinning by rank, then TIES' election of a sign: see `della_linear` and `ties`.

    Normalised by default, as in the authors' program. Source: Deep et al. 2024, arXiv 2406.11617.
    """
    fold = one_of("election", election, ELECTIONS)
    return _della(n, density, epsilon, rescale, seed, fold, normalize)


@merge_method("della_linear", cost=COST)
def della_linear(
    n: int,
    *,
    density: float | list[float] = 0.5,
    epsilon: float | list[float] = 0.15,
    rescale: str | None = "density",
    seed: int = 0,
    normalize: bool = False,
) -> Recipe:
    """Thin out task vectors at random, with the small changes of each row going first.

    In a row of m elements (all but the first dimension, flattened; of a 1-D parameter all) the
    element with rank r of |tau_i|, from 0 (equal ones: by index) to m - 1, stays with probability
    p = density + epsilon (2 r / (m - 1) - 1), alone in its row with p = density, by the coin of
    `dare_linear`. density +- epsilon must lie inside (0, 1); density 1 keeps all, 0 nothing.
    The authors' window_size is 2 epsilon (0.14 in their example; the default here is mergekit's).
    `rescale`: "density" divides what stays by its p (the paper), "l1" keeps the parameter's L1 norm
    (mergekit), None does neither. `normalize` divides the sum by sum_i c_i; `seed`: any whole
    number. mergekit's rows of a 3-D or 4-D parameter run along its second dimension.
    Source: Deep et al. 2024, arXiv 2406.11617.
    """
    return _della(n, density, epsilon, rescale, seed, "linear", normalize)


def _della(
    n: int,
    density: float | list[float],
    epsilon: float | list[float],
    rescale: str | None,
    seed: int,
    fold: str,
    normalize: bool,
) -> Recipe:
    densities = one_each("density", density, n)
    halves = one_each("epsilon", epsilon, n)
    for share, half in zip(densities, halves, strict=True):
        if 0 < share < 1 and not 0 < share - half <= share + half < 1:
            raise MergeError(
                f"density {share:g} +- epsilon {half:g} must lie inside (0, 1); lower epsilon"
            )
    return Recipe(
        fold=fold,
        sparsifier="rank",
        rescale=one_of("rescale", rescale, RESCALES),
        normalize=yes_or_no("normalize", normalize),
        density=densities,
        spread=halves,
        seed=seed_of(seed),
    )
