"""DARE: drop at random, rescale what is left."""

from ..method import merge_method
from ..recipe import Recipe, one_each, one_of, seed_of, yes_or_no
from .ties import ELECTIONS

RESCALES: dict[str | None, str] = {"density": "density", "l1": "l1", None: "none"}


def _dare(
    n: int,
    *,
    density: float | list[float],
    rescale: str | None,
    seed: int,
    normalize: bool,
    fold: str,
) -> Recipe:
    return Recipe(
        fold=fold,
        sparsifier="random",
        rescale=one_of("rescale", rescale, RESCALES),
        normalize=yes_or_no("normalize", normalize),
        density=one_each("density", density, n),
        seed=seed_of(seed),
    )


@merge_method("dare_linear")
def dare_linear(
    n: int,
    *,
    density: float | list[float] = 0.5,
    rescale: str | None = "density",
    seed: int = 0,
    normalize: bool = False,
) -> Recipe:
    """Thin out task vectors at random before adding them.

    Every element of tau_i stays with probability `density`, by a coin that depends on nothing but
    (seed, i, parameter name, index): the same on every device and in every order.
    `rescale`: "density" divides what stays by the density (the paper; the default, unbiased and
    one pass), "l1" keeps the L1 norm of each parameter (mergekit), None does neither.
    `normalize` divides the sum by sum_i c_i. The authors' weight_mask_rate is 1 - density; they
    draw with torch's generator.
    Source: Yu et al. 2024, arXiv 2311.03099.
    """
    return _dare(n, density=density, rescale=rescale, seed=seed, normalize=normalize, fold="linear")


@merge_method("dare_ties")
def dare_ties(
    n: int,
    *,
    density: float | list[float] = 0.5,
    rescale: str | None = "density",
    seed: int = 0,
    normalize: bool = False,
    election: str = "weighted",
) -> Recipe:
    """DARE's random thinning, then TIES' election of a sign: see `dare_linear` and `ties`.

    Not normalised by default, as in mergekit. Source: Yu et al. 2024, arXiv 2311.03099.
    """
    fold = one_of("election", election, ELECTIONS)
    return _dare(n, density=density, rescale=rescale, seed=seed, normalize=normalize, fold=fold)
