"""Weights of a parameter's vectors, from their dot products or known; imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from .coefficients import Row
from .errors import MergeError
from .gram import Gram
from .prepare import Merge


def weights_of(merge: Merge, name: str, rows: Sequence[Row], products: Gram) -> list[Row]:
    """The weights [K][N] of the sums that the kernels make of this parameter's vectors.

    rows: its coefficients, [K][N]; equal ones are weighed once.
    """
    assert merge.formula is not None
    assert merge.formula.weights is not None
    return _each(merge, name, rows, partial(merge.formula.weights, products))


def known_weights_of(merge: Merge, name: str, rows: Sequence[Row]) -> list[Row]:
    """The same where no number of the parameter has a say in them."""
    assert merge.formula is not None
    assert merge.formula.known is not None
    return _each(merge, name, rows, partial(merge.formula.known, merge, name))


def _each(merge: Merge, name: str, rows: Sequence[Row], weigh: Callable[[Row], Row]) -> list[Row]:
    try:
        weights = {row: weigh(row) for row in dict.fromkeys(rows)}
    except MergeError as error:
        raise MergeError(f"{merge.method}: {name!r}: {error}") from error
    return [weights[row] for row in rows]
