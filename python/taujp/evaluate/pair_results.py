"""Typed results about pairs of tasks: what the vector of one does to the data of the other."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Disentanglement:
    """errors[i][j] = xi at coefficients[i] of tasks[0]'s vector and coefficients[j] of tasks[1]'s:
    the sum over both tasks' test data of the share of predictions that the other's vector changes.
    In [0, 2]."""

    mode: str
    tasks: tuple[str, str]
    coefficients: tuple[float, ...]
    errors: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Matrix:
    """values[a][b]: of rows[a]'s task vector on the data (or with the vector) of columns[b]."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    values: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Interference:
    """What each vector does to the others' test data, predicted and measured.

    tau_jp: of vector a on data b. cosine: of vectors a and b. changed: the share of predictions on
    b's data that differ between theta0 + tau_b and theta0 + tau_b + tau_a. lost: the accuracy that
    goes with them. Where a is b: 0 in `changed` and `lost`.
    """

    mode: str
    tau_jp: Matrix
    cosine: Matrix
    changed: Matrix
    lost: Matrix
