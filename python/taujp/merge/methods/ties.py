"""TIES: trim, elect a sign, merge what agrees."""

from ..errors import MergeError
from ..method import merge_method
from ..recipe import Recipe, one_each, one_of, yes_or_no

ELECTIONS: dict[str | None, str] = {
    "weighted": "elect_weighted",
    "unweighted": "elect_unweighted",
}
TRIMS: dict[str | None, str] = {"tensor": "tensor", "model": "model"}
NORMS: dict[str | None, str] = {None: "none", "l1": "l1"}


@merge_method("ties", cost="two passes: ranks, then the merge")
def ties(
    n: int,
    *,
    density: float | list[float] = 0.2,
    normalize: bool = True,
    election: str = "weighted",
    trim: str = "tensor",
    rescale: str | None = None,
) -> Recipe:
    """Merge task vectors that interfere: drop small changes and those against the majority's sign.

    Of each tau_i the k = max(1, floor(density * size)) largest in magnitude are kept (equal ones:
    the lowest indices); the sign of their sum is elected (a tie elects +, zeros abstain); what
    agrees is summed and, with `normalize`, divided by the weights of those that agree.

    `election`: "weighted" takes the sign of sum_i c_i tau_i (mergekit; the default, so that a
    checkpoint with a small coefficient has a small vote), "unweighted" that of sum_i tau_i, with
    coefficients applied after (the paper).
    `trim`: "tensor" ranks each parameter by itself (mergekit; the default: one tensor in memory
    at a time), "model" all parameters of a checkpoint together (the paper).
    `rescale`: "l1" scales what stays of a parameter to the L1 norm it had (mergekit's `rescale`).
    Coefficients cancel from a normalised sum when they are all equal: sweep `lambda_`.
    The authors' program keeps one element more and all that equal it, and gives a tied vote the
    sign that most elements have.
    Source: Yadav et al. 2023, arXiv 2306.01708.
    """
    over_model = one_of("trim", trim, TRIMS) == "model"
    norm = one_of("rescale", rescale, NORMS)
    if over_model and norm != "none":
        raise MergeError("rescale 'l1' keeps the norm of a parameter; use it with trim='tensor'")
    return Recipe(
        fold=one_of("election", election, ELECTIONS),
        sparsifier="magnitude",
        normalize=yes_or_no("normalize", normalize),
        keep_one=True,
        over_model=over_model,
        rescale=norm,
        density=one_each("density", density, n),
    )
