"""Refuses what a method would have to ignore: coefficients, factors, a way of rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .coefficients import Coefficients, Row
from .errors import MergeError
from .method import Method

if TYPE_CHECKING:
    from .prepare import Merge


def check_meaning(
    method: Method, coefficients: Coefficients, lambdas: Row, *, has_base: bool
) -> None:
    """Refuse coefficients and factors that the method would have to ignore."""
    rows = {row for table in coefficients.tables for row in table}
    if not method.weighted and any(c != 1.0 for row in rows for c in row):
        raise MergeError(
            f"{method.name} finds its own weights: coefs must all be 1, they are "
            f"{[list(row) for row in sorted(rows)][:3]}; lambda_ scales its task vector"
        )
    if method.tensors and not has_base and any(factor != 1.0 for factor in lambdas):
        raise MergeError(
            f"{method.name} without a base has no task vector for lambda_ to scale; leave it out"
        )


def check_stepwise(merge: Merge) -> None:
    if merge.rounding == "exact":
        return
    if merge.formula is not None or not merge.recipe.steps:
        raise MergeError(
            f"{merge.method} has no rounding='stepwise'; its formula runs in fp32 or better and is "
            f"rounded once: rounding='exact'"
        )
    dtypes = {merge.dtype_of(name) for name in merge.names}
    if len(dtypes) > 1:
        raise MergeError(
            f"rounding='stepwise' rounds every step to the output's dtype, and here there are "
            f"{', '.join(sorted(dtypes))}; choose one with dtype="
        )
