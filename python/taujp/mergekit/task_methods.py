"""mergekit's methods on task vectors: sparsify, weigh, elect, divide, scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .peer_method import Given, PeerParameter, Step, peer_method

WEIGHT = PeerParameter("weight", float, "others")
DENSITY = PeerParameter("density", float, "others", 1.0)
GAMMA = PeerParameter("gamma", float, "others", 0.01)
EPSILON = PeerParameter("epsilon", float, "others", 0.15)
MASK = PeerParameter("int8_mask", bool, "shared", False)  # its masks' dtype: without effect here
LAMBDA = PeerParameter("lambda", float, "shared", 1.0)


def _shares(given: Given, name: str) -> list[float]:
    """Densities: mergekit takes those above 1 for 1, those below 0 for 0."""
    return [min(max(share, 0.0), 1.0) for share in given.of_others(name)]


def _norm(given: Given) -> str | None:
    """mergekit rescales what was sparsified to the L1 norm it had."""
    return "l1" if given.shared["rescale"] else None


def _all_kept(given: Given) -> dict[str, Any]:
    return {}


def _ranked(given: Given) -> dict[str, Any]:
    return {"density": _shares(given, "density"), "rescale": _norm(given)}


def _without_outliers(given: Given) -> dict[str, Any]:
    return {**_ranked(given), "gamma": list(given.of_others("gamma"))}


def _drawn(given: Given) -> dict[str, Any]:
    return {**_ranked(given), "seed": given.seed}


def _drawn_by_rank(given: Given) -> dict[str, Any]:
    return {**_drawn(given), "epsilon": list(given.of_others("epsilon"))}


def _register(
    name: str,
    sparsified: Callable[[Given], dict[str, Any]],
    *own: PeerParameter,
    normalize: bool = False,
    rescale: bool = False,
) -> None:
    """Add a method of the family, with its defaults."""
    flags = (
        PeerParameter("normalize", bool, "shared", normalize),
        PeerParameter("rescale", bool, "shared", rescale),
    )

    @peer_method(name, WEIGHT, DENSITY, *own, *flags, MASK, LAMBDA, others=(0, None))
    def translate(given: Given) -> Step:
        options = {**sparsified(given), "normalize": given.shared["normalize"]}
        options = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
        return Step(
            name,
            given.others,
            given.base,
            given.of_others("weight"),
            tuple(sorted(options.items())),
            given.shared["lambda"],
        )


_register("task_arithmetic", _all_kept)
_register("ties", _ranked, normalize=True)
_register("dare_linear", _drawn, rescale=True)
_register("dare_ties", _drawn, rescale=True)
_register("breadcrumbs", _without_outliers, GAMMA)
_register("breadcrumbs_ties", _without_outliers, GAMMA)
_register("della", _drawn_by_rank, EPSILON, normalize=True, rescale=True)
_register("della_linear", _drawn_by_rank, EPSILON, rescale=True)
