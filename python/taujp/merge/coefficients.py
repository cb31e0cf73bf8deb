"""Coefficients: [N], [K, N], or either for each group of parameters, checked before any work."""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .errors import MergeError

Row = tuple[float, ...]
LARGEST = 3.4028234663852886e38  # that fp32 holds: the kernels' coefficients are fp32


@dataclass(frozen=True)
class ByParameter:
    """[N] for each parameter by its name: where layers, not patterns, tell them apart."""

    rows: Mapping[str, Row]


@dataclass(frozen=True)
class Coefficients:
    """K rows of N for every group; `single` where one model was asked for, not a list of K.

    named: the group of each parameter, where names and not patterns tell it.
    """

    patterns: tuple[str, ...]
    tables: tuple[tuple[Row, ...], ...]  # [groups][K][N]
    single: bool
    named: Mapping[str, int] | None = None

    @property
    def results(self) -> int:
        return len(self.tables[0])

    def group_of(self, name: str) -> int:
        """The parameter's own group, or the first whose glob pattern matches its name."""
        if self.named is not None:
            return self.named[name]
        for group, pattern in enumerate(self.patterns):
            if fnmatch.fnmatchcase(name, pattern):
                return group
        raise MergeError(
            f"coefs: no pattern matches {name!r}; the patterns are {', '.join(self.patterns)}; "
            f"add '*' for the rest"
        )

    def groups(self, names: Sequence[str]) -> list[int]:
        """The group of each name; one error lists all the names without one."""
        if self.patterns == ("*",):
            return [0] * len(names)
        found, lost = [], []
        for name in names:
            try:
                found.append(self.group_of(name))
            except MergeError as error:
                lost.append(str(error))
        if lost:
            more = f"\n... and {len(lost) - 10} more" if len(lost) > 10 else ""
            raise MergeError("\n".join(lost[:10]) + more)
        return found


def parse_coefficients(coefs: Any, checkpoints: int) -> Coefficients:
    """From numbers, lists, arrays, tensors, a mapping of patterns to these, or by parameter."""
    if isinstance(coefs, ByParameter):
        return _by_parameter(coefs.rows, checkpoints)
    if isinstance(coefs, Mapping):
        if not coefs:
            raise MergeError(
                "coefs is an empty mapping; expected glob patterns and their coefficients"
            )
        groups = [_table(f"coefs[{key!r}]", value, checkpoints) for key, value in coefs.items()]
        counts = {len(table) for table, _ in groups}
        if len(counts) > 1 or len({single for _, single in groups}) > 1:
            raise MergeError(
                f"coefs: its groups ask for {sorted(counts)} models; give each group as many"
            )
        return Coefficients(tuple(coefs), tuple(table for table, _ in groups), groups[0][1])
    table, single = _table("coefs", coefs, checkpoints)
    return Coefficients(("*",), (table,), single)


def _by_parameter(rows: Mapping[str, Row], checkpoints: int) -> Coefficients:
    """Parameters with equal rows are one group."""
    numbers = {row: group for group, row in enumerate(dict.fromkeys(rows.values()))}
    tables = tuple(_table("coefs", row, checkpoints)[0] for row in numbers)
    return Coefficients((), tables, True, {name: numbers[row] for name, row in rows.items()})


def _table(what: str, value: Any, n: int) -> tuple[tuple[Row, ...], bool]:
    value = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) == 0:
        raise MergeError(f"{what} is {value!r}; expected {n} numbers, or rows of {n}")
    single = not isinstance(value[0], Sequence)
    rows = tuple(_row(what, k, row, n) for k, row in enumerate([value] if single else value))
    return rows, single


def _row(what: str, k: int, row: Any, n: int) -> Row:
    try:
        numbers = tuple(float(c) for c in row)
    except (TypeError, ValueError) as error:
        raise MergeError(f"{what}: row {k} is {row!r}; expected {n} numbers") from error
    if len(numbers) != n:
        raise MergeError(f"{what}: row {k} has {len(numbers)} coefficients for {n} checkpoints")
    for i, number in enumerate(numbers):
        if not abs(number) <= LARGEST:  # NaN neither
            raise MergeError(
                f"{what}: coefficient {i} of row {k} is {number}; expected a finite number, of at "
                f"most {LARGEST:.2g}"
            )
    return numbers


def parse_lambda(lambda_: Any, coefficients: Coefficients) -> tuple[Coefficients, Row]:
    """One lambda for each result; K of them for a single row of coefficients make K results."""
    value = lambda_.tolist() if hasattr(lambda_, "tolist") else lambda_
    try:
        numbers = tuple(float(x) for x in value) if isinstance(value, Sequence) else (float(value),)
    except (TypeError, ValueError) as error:
        raise MergeError(
            f"lambda_ is {lambda_!r}; expected a number, or one for each model"
        ) from error
    if not all(abs(number) <= LARGEST for number in numbers):
        raise MergeError(
            f"lambda_ is {lambda_!r}; expected finite numbers, of at most {LARGEST:.2g}"
        )
    if not isinstance(value, Sequence):
        return coefficients, numbers * coefficients.results
    if len(numbers) == coefficients.results:
        return coefficients, numbers
    if coefficients.results == 1:
        tables = tuple(table * len(numbers) for table in coefficients.tables)
        return replace(coefficients, tables=tables, single=False), numbers
    raise MergeError(f"lambda_ has {len(numbers)} values for {coefficients.results} rows of coefs")
