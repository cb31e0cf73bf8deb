"""Weights of several losses by exact Pareto optimal search, from the Gram matrix of gradients.

Losses l >= 0 with a preference r ask for a Pareto optimal point where all r_i l_i are equal. With
s_i = r_i l_i / sum_j r_j l_j, the non-uniformity mu = sum_i s_i log(m s_i) and the adjustment
a_i = r_i (log(m s_i) - mu), and C the m x m Gram matrix of the gradients, the weights alpha of a
step, alpha >= 0 with sum 1, solve a linear programme:
  balance (mu > precision): maximise <alpha, C a>, where (C alpha)_i >= 0 for the largest r_i l_i
                            and (C alpha)_i >= (C a)_i for every other i with (C a)_i <= 0
  descent (else):           maximise sum_i (C alpha)_i, where C alpha >= 0 and
                            <alpha, C a> >= min(max_i (C a)_i, 0)
Mahapatra & Rajan 2020 (Multi-Task Learning with User Preferences, ICML), as Chen et al. 2023
(Pareto Invariant Risk Minimization, arXiv 2206.07766) use it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np

Array = np.ndarray
Move = Literal["balance", "descent", "preference"]
TINY = np.finfo(np.float64).tiny
SLACK = 1e-9  # by which a constraint, scaled to coefficients of at most 1, may be missed


@dataclass(frozen=True)
class Balance:
    """The weights [losses], what the step did, and how far r_i l_i are from equal (0: equal).

    move: "preference" where no weights satisfy the constraints: the weights are then the
    preference itself.
    """

    weights: Array
    move: Move
    non_uniformity: float


def balance(losses: Array, gram: Array, preference: Array, *, precision: float) -> Balance:
    """The weights of a step: losses [m], gram [m, m], preference [m] with sum 1, all float64."""
    weighted = np.maximum(preference * losses, TINY)
    share = np.maximum(weighted / weighted.sum(), TINY)
    logs = np.log(len(losses) * share)
    mu = float((share * logs).sum())
    adjustment = preference * (logs - mu)
    toward = gram @ adjustment
    move: Move = "balance" if mu > precision else "descent"
    if move == "balance":
        bound = np.where(toward > 0, -np.inf, toward)
        bound[weighted == weighted.max()] = 0.0
        found = best_on_simplex(toward, gram, bound)
    else:
        rows = np.vstack([gram, toward])
        bound = np.append(np.zeros(len(losses)), min(toward.max(), 0.0))
        found = best_on_simplex(gram.sum(0), rows, bound)
    if found is None:
        return Balance(preference, "preference", mu)
    return Balance(found, move, mu)


def best_on_simplex(gain: Array, rows: Array, bound: Array) -> Array | None:
    """The x >= 0 with sum 1 and rows x >= bound of the largest <gain, x>; None: there is none.

    Exact but for rounding: of the few corners that m - 1 of the constraints can make, the best
    that satisfies the others. m is the number of losses: three make at most 21 corners.
    """
    count = len(gain)
    limited = np.isfinite(bound)
    scales = np.maximum(np.abs(rows[limited]).max(1), np.abs(bound[limited]))
    scales = np.maximum(scales, TINY)[:, None]
    sides = np.vstack([np.eye(count), rows[limited] / scales])
    ends = np.concatenate([np.zeros(count), bound[limited] / scales[:, 0]])
    best, most = None, -np.inf
    for chosen in combinations(range(len(sides)), count - 1):
        corner = _corner(sides[list(chosen)], ends[list(chosen)])
        if corner is None or (sides @ corner < ends - SLACK).any():
            continue
        if gain @ corner > most:
            best, most = corner, gain @ corner
    if best is None:
        return None
    best = np.maximum(best, 0.0)
    return best / best.sum()


def _corner(sides: Array, ends: Array) -> Array | None:
    """Where sides x = ends and sum x = 1; None where that is no point."""
    system = np.vstack([sides, np.ones(sides.shape[1])])
    if abs(np.linalg.det(system)) < SLACK**2:
        return None
    return np.linalg.solve(system, np.append(ends, 1.0))
