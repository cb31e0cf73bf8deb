"""Twins of the methods that weigh whole vectors: on the sphere, by agreement, by depth."""

from __future__ import annotations

from math import acos, cos, sin

import torch
from torch import Tensor

from reference_merge_given import Given


def arc(a: Tensor, b: Tensor, t: float, limit: float) -> Tensor:
    """Along the arc from a to b; straight where their cosine's magnitude is above the limit."""
    if a.numel() == 0:
        return a
    length = float(a.norm() * b.norm())
    cosine = max(-1.0, min(1.0, float((a * b).sum()) / length)) if length else 1.0
    if abs(cosine) > limit:
        return (1 - t) * a + t * b
    angle = acos(cosine)
    return (sin((1 - t) * angle) * a + sin(t * angle) * b) / sin(angle)


def slerp(given: Given, *, parallel: float = 0.9995) -> Tensor:
    a, b = given.vectors
    return arc(a, b, given.coefs[1] / sum(given.coefs), parallel)


def nuslerp(given: Given, *, along: str = "tensor") -> Tensor:
    a, b = given.vectors
    t = given.coefs[1] / sum(given.coefs)
    limit = (1 - 1e-7) ** 0.5
    if along == "tensor" or a.ndim < 2 or a.numel() == 0:
        lone = along == "columns" and a.ndim == 1  # columns of one element each: nothing but signs
        return arc(a, b, t, limit) if not lone or a.numel() else a
    if along == "columns":
        a, b = a.movedim(0, -1), b.movedim(0, -1)
    rows = [arc(x, y, t, limit) for x, y in zip(a.flatten(0, -2), b.flatten(0, -2), strict=True)]
    found = torch.stack(rows).view(a.shape)
    return found.movedim(-1, 0) if along == "columns" else found


def multislerp(given: Given, *, normalize: bool = True) -> Tensor:
    stacked = torch.stack([v.flatten() for v in given.vectors])
    w = torch.tensor(given.coefs, dtype=torch.float64)
    w = w / w.sum() if normalize else w
    lengths = stacked.norm(dim=1)
    units = stacked / torch.where(lengths > 0, lengths, 1.0)[:, None]
    mean = w @ units
    if mean.norm() < 1e-7:
        return (w @ stacked).view(given.vectors[0].shape)
    mean = mean / mean.norm()
    tangents = units - (units @ mean)[:, None] * mean
    total = w @ tangents
    size = float(total.norm())
    point = mean * cos(size) + (total * sin(size) / size if size else 0.0)
    return (point * (w @ lengths)).view(given.vectors[0].shape)


def karcher(given: Given, *, steps: int = 10, tolerance: float = 1e-5) -> Tensor:
    stacked = torch.stack([v.flatten() for v in given.vectors])
    w = torch.tensor(given.coefs, dtype=torch.float64) / sum(given.coefs)
    lengths = stacked.norm(dim=1)
    valid = lengths > tolerance
    if not valid.any():
        return torch.zeros_like(given.vectors[0])
    units = stacked[valid] / lengths[valid][:, None]
    shares = w[valid] / w[valid].sum()
    mean = shares @ units
    mean = units[0].clone() if mean.norm() < tolerance else mean / mean.norm()
    for _ in range(steps):
        tangent = torch.zeros_like(mean)
        for share, unit in zip(shares, units, strict=True):
            rest = unit - (unit @ mean) * mean
            angle = float(torch.atan2(rest.norm(), unit @ mean))
            if angle >= tolerance:
                tangent += share * angle * rest / rest.norm()
        size = float(tangent.norm())
        if size < tolerance:
            break
        mean = mean * cos(size) + tangent * sin(size) / size
        mean = mean / mean.norm()
    return ((w @ lengths) * mean).view(given.vectors[0].shape)


def model_stock(given: Given, *, by: str = "tensor") -> Tensor:
    stacked = torch.stack(given.vectors)
    if by == "row" and stacked.ndim > 2:
        rows = [stock([v[r] for v in given.vectors]) for r in range(stacked.shape[1])]
        return torch.stack(rows) if rows else stacked[0]
    return stock(given.vectors)


def stock(vectors: list[Tensor]) -> Tensor:
    n, cosines = len(vectors), []
    for i in range(n):
        for j in range(i):
            length = vectors[i].norm() * vectors[j].norm()
            cosines.append(float((vectors[i] * vectors[j]).sum() / length) if length > 0 else 0.0)
    mean = sum(cosines) / len(cosines)
    below = 1 + (n - 1) * mean
    t = n * mean / below if abs(below) >= 1e-6 else 0.0
    return t * sum(vectors) / n


def expo(given: Given) -> Tensor:
    return given.vectors[0] + given.coefs[0] * given.vectors[0]


def lines(given: Given, *, alpha: float | None = None, beta: float = 0.5) -> Tensor:
    scale = 1 / len(given.vectors) if alpha is None else alpha
    numbers = [int(name.split(".")[1]) for name in given.names if name.startswith("tower.")]
    if given.name.startswith("tower."):
        scale += beta * int(given.name.split(".")[1]) / max(numbers)
    return scale * sum(scaled(given))


def scaled(given: Given) -> list[Tensor]:
    return [c * tau for c, tau in zip(given.coefs, given.vectors, strict=True)]
