"""NearSwap: take over what is near."""

from ..method import merge_method
from ..recipe import Recipe


@merge_method("nearswap", checkpoints=(1, 1))
def nearswap(n: int) -> Recipe:
    """Move the base towards a second model, wholly where they hardly differ.

    theta = theta0 + w tau, w = t / max(|tau|, 1e-6) within [0, 1] for each element, t the
    coefficient: no element moves further than t, and none where t is negative.
    Source: alchemonaut's NearSwap, as in mergekit 0.1.5.
    """
    return Recipe(fold="near")
