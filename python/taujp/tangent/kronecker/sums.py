"""The running sums of S S^T and S^T S, S the gradient of one output direction by one weight."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from taujp.tangent.kronecker.factors import Block
from taujp.tangent.kronecker.linear_maps import Use

WIDEST = 8192  # a factor of this side is 256 MB
TOGETHER = 512  # rows to one product: by single images it would only move memory

# Where a block lies: weight, bias or None, first and last row.
Place = tuple[str, str | None, int, int]


class Sums:
    """What becomes the blocks; fp32 at least, on the model's device."""

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        self.parameters = dict(parameters)
        self._places: dict[str, Place] = {}
        self._sums: dict[str, tuple[_Products, _Products]] = {}

    def add_map(
        self, weight: str, uses: Sequence[Use], grads: Sequence[Tensor], share: float
    ) -> None:
        """S = g^T x of a linear map, for inputs x and output gradients g [tokens, ...].

        S S^T = g^T (x x^T) g and S^T S = x^T (g g^T) x: with few tokens S itself is not needed.
        """
        x = torch.cat([with_ones(use.x) if use.bias else use.x for use in uses])
        g = torch.cat([use.rows(grad) for use, grad in zip(uses, grads, strict=True)])
        x, g = (one.to(_precise(one.dtype)) for one in (x, g))
        between = x @ x.T
        for first, last in pieces_of(weight, g.shape[1]):
            part = g[:, first:last]
            left, right = self._of((weight, uses[0].bias, first, last), part.shape[1], x.shape[1])
            left.add(part, between @ part, share)
            right.add(x, (part @ part.T) @ x, share)

    def add_matrix(self, name: str, gradient: Tensor, share: float) -> None:
        """S itself, of a parameter that is not only a linear map's."""
        gradient = gradient.to(_precise(gradient.dtype))
        rows, columns = gradient.shape
        left, right = self._of((name, None, 0, rows), rows, columns)
        left.add(gradient.T, gradient.T, share)
        right.add(gradient, gradient, share)

    def blocks(self, count: int) -> dict[str, Block]:
        """The means over `count` images, on the CPU."""
        return {
            key: Block(*self._places[key], left.mean(count), right.mean(count))
            for key, (left, right) in sorted(self._sums.items())
        }

    def _of(self, place: Place, rows: int, columns: int) -> tuple[_Products, _Products]:
        """The two sums of a block, begun when it is first seen."""
        key = f"{place[0]}[{place[2]}:{place[3]}]"
        if self._places.setdefault(key, place) != place:
            raise ValueError(
                f"gather_factors: '{place[0]}' has the bias {place[1]} now and "
                f"{self._places[key][1]} before; expected one for every image; exclude it"
            )
        if max(rows, columns) > WIDEST:
            raise ValueError(
                f"gather_factors: '{place[0]}' needs a factor of {max(rows, columns)} x "
                f"{max(rows, columns)} numbers; expected at most {WIDEST}; pass "
                f"exclude=['{place[0]}'] and leave it frozen"
            )
        return self._sums.setdefault(key, (_Products(), _Products()))


class _Products:
    """sum of share * a^T b over many a, b [rows, side], many rows at a time."""

    def __init__(self) -> None:
        self._sum: Tensor | None = None
        self._waiting: list[tuple[Tensor, Tensor]] = []
        self._rows = 0

    def add(self, a: Tensor, b: Tensor, share: float) -> None:
        self._waiting.append((a, share * b))
        self._rows += len(a)
        if self._rows >= TOGETHER:
            self._add_waiting()

    def mean(self, count: int) -> Tensor:
        """The sum over `count`, on the CPU."""
        self._add_waiting()
        assert self._sum is not None
        return (self._sum / count).cpu()

    def _add_waiting(self) -> None:
        if not self._waiting:
            return
        a, b = (torch.cat(column) for column in zip(*self._waiting, strict=True))
        self._waiting, self._rows = [], 0
        self._sum = a.T @ b if self._sum is None else self._sum.addmm_(a.T, b)


def pieces_of(weight: str, rows: int) -> Iterator[tuple[int, int]]:
    """The rows of each block: q, k and v apart in a packed projection, otherwise all."""
    count = 3 if weight.endswith("in_proj_weight") else 1
    for index in range(count):
        yield index * rows // count, (index + 1) * rows // count


def with_ones(x: Tensor) -> Tensor:
    """The bias' homogeneous coordinate."""
    return torch.cat([x, x.new_ones(len(x), 1)], dim=1)


def as_matrix(value: Tensor) -> Tensor:
    """A parameter as the matrix that its block is of: a vector is one column."""
    squeezed = value.squeeze()
    return squeezed.reshape(-1, 1) if squeezed.dim() < 2 else squeezed.flatten(1)


def _precise(dtype: torch.dtype) -> torch.dtype:
    return dtype if dtype == torch.float64 else torch.float32
