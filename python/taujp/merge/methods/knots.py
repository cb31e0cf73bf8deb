"""KnOTS: low-rank changes are brought into one basis before they are merged element by element."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..formula import Formula
from ..method import tensor_method
from ..recipe import coin_key, one_each, one_of, seed_of, yes_or_no
from .ties import ELECTIONS, TRIMS

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter
    from ..survey import Survey

THINNINGS: dict[str | None, str] = {"ties": "largest", "dare_ties": "random"}


@tensor_method(
    "knots", cost="eigenvectors of each matrix's rows; of adapters, of all their ranks together"
)
def knots(
    n: int,
    *,
    thin: str = "ties",
    density: float | list[float] = 0.2,
    normalize: bool = True,
    election: str = "weighted",
    trim: str = "tensor",
    seed: int = 0,
) -> Formula:
    """Merge LoRA adapters, whose changes hardly line up as they stand: in a shared basis they do.

    Of each matrix the N changes side by side are U S [V_1 ... V_N] by one SVD, without singular
    values up to 1e-5; the parts P_i = S V_i are merged element by element, and theta = theta0 +
    U merge(P_1, ..., P_N). `thin`: "ties" keeps the `density` largest elements of each P_i,
    "dare_ties" keeps each with that probability, by coins of `seed`, and divides by it; then as in
    `ties`, with its `election` and `normalize`. (A plain sum is the same in any basis.) What is no
    matrix is merged without one; a convolution counts as [outputs, the rest].
    `trim`: "tensor" ranks the elements of each matrix by itself (the default, as that of `ties`),
    "model" those of all matrices together (the authors; everything is decomposed four times). They
    scale by validation, lambda_ (0.6 for eight ViT-B-32 at density 0.2; 0.7 with "dare_ties" at
    density 0.9), which is their scaling_coeffs; their elections are unweighted, and keep one
    element more (see `ties`). Of adapters only the factors are decomposed.
    Source: Stoica et al. 2024, arXiv 2410.19735.
    """
    shares = one_each("density", density, n)
    kind = one_of("thin", thin, THINNINGS)
    fold = one_of("election", election, ELECTIONS)
    drawn_by = seed_of(seed)
    divided = yes_or_no("normalize", normalize)
    together = one_of("trim", trim, TRIMS) == "model" and kind == "largest"

    def merged(parameter: Parameter) -> Iterator[Tensor]:
        from ..elected import folded

        basis, parts = _aligned(parameter)
        for i, (part, share) in enumerate(zip(parts, shares, strict=True)):
            if together and basis is not None:
                part.mul_(part.abs() >= parameter.found[i])
            else:
                _thin(part, share, kind, coin_key(drawn_by, i, parameter.name))
        for row in parameter.rows:
            result = folded(parts, row, fold=fold, normalize=divided)
            yield result if basis is None else (basis @ result.double()).view(parameter.shape)

    def survey(every: Survey) -> list[float]:
        return _cuts(every, shares)

    return Formula(merged, decomposes=True, beside=8 + 5 * n, survey=survey if together else None)


def _cuts(every: Survey, shares: tuple[float, ...]) -> list[float]:
    """Of each checkpoint the least magnitude that stays, over the aligned parts of all matrices."""
    from ..parameter import Parameter
    from ..ranked_pieces import kth_of_pieces

    entries = every.merge.donor.entries
    names = [n for n in every.merge.names if len(entries[n].shape) > 1 and entries[n].size]

    def sizes() -> Iterator[list[Tensor]]:
        for name in names:
            whole = Parameter(every.merge, name, (), every.inputs_of(name), entries[name].shape)
            yield [part.abs() for part in _aligned(whole)[1]]

    total = sum(parts[0].numel() for parts in sizes())
    if total == 0:
        return [0.0] * len(shares)
    ranks = [total - min(max(1, int(share * total)), total) for share in shares]
    found = kth_of_pieces(sizes, ranks)
    return [found[i][i] for i in range(len(shares))]


def _aligned(parameter: Parameter) -> tuple[Tensor | None, list[Tensor]]:
    """U [rows, r] in float64 and the P_i [r, columns] in fp32; None and the tau_i of no matrix."""
    from ..adapter_sums import factors_of, finite
    from ..parameter import NonfiniteInput
    from ..shared_basis import of_factors, of_matrices

    if len(parameter.shape) < 2:
        return None, parameter.vectors
    columns = math.prod(parameter.shape[1:])
    factors = factors_of(parameter.merge, parameter.name)
    if factors is not None:
        if not finite(factors):
            raise NonfiniteInput(parameter.name)
        return of_factors(factors)
    return of_matrices([tau.view(-1, columns) for tau in parameter.vectors])


def _thin(part: Tensor, share: float, kind: str, key: int) -> None:
    """Zero what goes, in place, and divide what stays at random by its probability."""
    from ..coins import coins, thresholds
    from ..selection import largest

    if share >= 1:
        return
    if kind == "largest":
        part.mul_(largest(part.abs(), max(1, int(share * part.numel()))))
        return
    import torch

    limit = thresholds(torch.tensor(share, dtype=torch.float64))
    kept = coins(key, 0, part.numel(), part.device) < limit.to(part.device)
    part.mul_(kept.view(part.shape)).div_(share if share > 0 else 1.0)
