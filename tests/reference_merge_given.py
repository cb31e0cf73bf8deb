"""What a twin of a whole-tensor method gets and gives; all in float64."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Given:
    """One parameter, float64; model: the vectors of all parameters, flat, for each checkpoint."""

    name: str
    vectors: list[Tensor]
    base: Tensor | None
    coefs: Sequence[float]
    names: tuple[str, ...]
    model: Sequence[Tensor] = ()


@dataclass(frozen=True)
class Decided:
    """A result of decisions by threshold, and the elements where they are close.

    slack: how far all others may move, where close ones enter a statistic.
    """

    value: Tensor
    close: Tensor
    slack: float = 0.0


def near(a: Tensor, b: Tensor | float, scale: Tensor | float = 1.0) -> Tensor:
    """Where two numbers may change places in fp32."""
    return (a - b).abs() <= 2.0**-18 * scale


def contested(ballots: Tensor) -> Tensor:
    """Where fp32 may elect the other sign; v against -v it cannot."""
    vote = ballots.sum(0)
    tied = (vote == 0) & ((ballots != 0).sum(0) <= 2)
    return near(vote, 0.0, ballots.abs().sum(0)) & ~tied
