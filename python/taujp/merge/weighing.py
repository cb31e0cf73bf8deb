"""Weights of a parameter's vectors from their dot products; imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from .coefficients import Row
from .errors import MergeError
from .gram import Gram
from .prepare import Merge


def weights_of(merge: Merge, name: str, rows: Sequence[Row], products: Gram) -> list[Row]:
    """The weights [K][N] of the sums that the kernels make of this parameter's vectors.

    rows: its coefficients, [K][N]; equal ones are weighed once.
    """
    formula = merge.formula
    assert formula is not None
    assert formula.weights is not None
    try:
        weights = {row: formula.weights(products, row) for row in dict.fromkeys(rows)}
    except MergeError as error:
        raise MergeError(f"{merge.method}: {name!r}: {error}") from error
    return [weights[row] for row in rows]
