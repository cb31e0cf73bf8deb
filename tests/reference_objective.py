"""The objectives' twin: their formulas in plain torch, slopes by autograd in float64, twice.

Environments are lists of (features, labels), one pair each; nothing of taujp is used.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

Head = Callable[[Tensor], Tensor]
Rows = tuple[Tensor, Tensor]  # features [n, width], labels [n]


def rows_of(logits: Tensor, labels: Tensor, scales: Tensor) -> tuple[Tensor, Tensor]:
    """loss and d loss / d scale of every row, [draws, n]; both with a graph."""
    w = scales.double().reshape(len(scales), -1).expand(-1, len(logits)).clone().requires_grad_()
    losses = torch.stack(
        [functional.cross_entropy(one[:, None] * logits, labels, reduction="none") for one in w]
    )
    (slopes,) = torch.autograd.grad(losses.sum(), w, create_graph=True)
    return losses, slopes


def risk(rows: Rows, head: Head, scale: Tensor | float = 1.0) -> Tensor:
    features, labels = rows
    return functional.cross_entropy(head(features) * scale, labels)


def risks(environments: Sequence[Rows], head: Head) -> Tensor:
    return torch.stack([risk(rows, head) for rows in environments])


def slope(rows: Rows, head: Head, at: float = 1.0) -> Tensor:
    """dR/dw at w, to be differentiated again."""
    w = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(risk(rows, head, w), w, create_graph=True)[0]


def squared_slope(rows: Rows, head: Head, estimator: str, at: float = 1.0) -> Tensor:
    if estimator == "square":
        return slope(rows, head, at) ** 2
    even, odd = ((rows[0][start::2], rows[1][start::2]) for start in (0, 1))
    return slope(even, head, at) * slope(odd, head, at)


def mean_penalty(environments: Sequence[Rows], head: Head, estimator: str) -> Tensor:
    return torch.stack([squared_slope(rows, head, estimator) for rows in environments]).mean()


def erm(environments: Sequence[Rows], head: Head) -> Tensor:
    return risks(environments, head).mean()


def irmv1(environments, head, *, weight, estimator, rescale=False) -> Tensor:
    loss = erm(environments, head) + weight * mean_penalty(environments, head, estimator)
    return loss / weight if rescale and weight > 1 else loss


def vrex(environments, head, *, weight, variance, rescale=False) -> Tensor:
    loss = erm(environments, head) + weight * spread(environments, head, variance)
    return loss / weight if rescale and weight > 1 else loss


def spread(environments, head, variance) -> Tensor:
    found = risks(environments, head)
    squares = sum((one - found.mean()) ** 2 for one in found)
    return squares / (len(found) - (variance == "sample"))


def ib_irm(environments, head, *, weight, bottleneck, over, estimator, rescale) -> Tensor:
    loss = erm(environments, head) + weight * mean_penalty(environments, head, estimator)
    if over == "all":
        groups = [torch.cat([features for features, _ in environments])]
    elif over == "environment":
        groups = [features for features, _ in environments]
    else:
        groups = [f[y == k] for f, y in environments for k in y.unique() if (y == k).sum() > 1]
    variance = torch.stack([group.var(0).mean() for group in groups]).mean()
    return (loss / (1 + weight) if rescale else loss) + bottleneck * variance


def birm(environments, head, *, weight, scales, estimator) -> Tensor:
    """scales [draws, environments]."""
    found = [
        squared_slope(rows, head, estimator, float(w))
        for draw in scales
        for rows, w in zip(environments, draw, strict=True)
    ]
    return erm(environments, head) + weight * torch.stack(found).mean()


def pair_losses(environments, head, variance) -> Tensor:
    penalty = mean_penalty(environments, head, "square")
    return torch.stack([erm(environments, head), penalty, spread(environments, head, variance)])


def simplex_programme(gain, rows, bound) -> tuple[bool, float]:
    """Whether max <gain, x>, rows x >= bound, x >= 0, sum x = 1 has a solution, and its value."""
    from scipy.optimize import linprog

    limited = [index for index, end in enumerate(bound) if end > -torch.inf]
    found = linprog(
        [-one for one in gain],
        A_ub=-rows[limited] if limited else None,
        b_ub=-bound[limited] if limited else None,
        A_eq=[[1.0] * len(gain)],
        b_eq=[1.0],
        method="highs",
    )
    return found.status == 0, -found.fun if found.status == 0 else float("nan")
