"""Consensus merging: drop the weights that matter to one task alone, or to none."""

from ..method import merge_method
from ..recipe import Recipe, one_number, whole_number


@merge_method("consensus")
def consensus(n: int, *, share: float = 0.4, tasks: int = 2) -> Recipe:
    """Add task vectors where at least two tasks need the sum: catastrophic and selfish weights go.

    With the sum s = sum_i c_i tau_i, task i needs an element where |c_i tau_i| >= `share`
    |s - c_i tau_i| (its TALL mask); theta = theta0 + s where `tasks` or more need it. The paper
    finds `share` (its lambda) by task on validation data, in 0.2 to 0.6, and scales the result:
    lambda_.
    Source: Wang et al. 2024, arXiv 2405.07813.
    """
    least = one_number("share", share, 0.0, float("inf"))
    needed = whole_number("tasks", tasks, 0, n)
    return Recipe(fold="consensus", dials=(least, needed))
