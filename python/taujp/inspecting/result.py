"""What an inspection found, for the whole model and for every layer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Directions:
    """The strongest `k` singular directions of the vectors' matrices; means over the matrices.

    shares[i][j]: the part of model i's squared norm that lies in its (j+1)-th direction.
    stable_ranks: ||A||_F^2 / ||A||_2^2.
    overlap[i][j]: (||U_i^T U_j||_F^2 + ||V_i^T V_j||_F^2) / 2k, 1 where both span the same, about
    k / m for two that know nothing of each other in m dimensions.
    interference: ||(U^T U - I) S (V^T V - I)||_1 / ||S||_1 of all models' directions side by side,
    0 where they are orthogonal (singular task interference, Gargiulo et al. 2025, arXiv 2412.00081;
    not divided by the strengths there).
    """

    matrices: int
    k: int
    shares: tuple[tuple[float, ...], ...]
    stable_ranks: tuple[float, ...]
    overlap: tuple[tuple[float, ...], ...]
    interference: float


@dataclass(frozen=True)
class Part:
    """One layer, one tensor, or the whole model.

    norms: ||tau_i||. base_norm: ||theta0||; None without a base.
    cosines: between the models, 0 where one is 0. changed: the share of elements that are not 0.
    conflict: of the elements that at least two models change, the share where they differ in sign.
    cancelled: the share of change that is lost when all are added,
    1 - sum |sum_i tau_i| / sum sum_i |tau_i|.
    directions: None where there is no matrix, or none were asked for.
    """

    name: str
    parameters: int
    norms: tuple[float, ...]
    base_norm: float | None
    cosines: tuple[tuple[float, ...], ...]
    changed: tuple[float, ...]
    conflict: float
    cancelled: float
    directions: Directions | None

    @property
    def relative_norms(self) -> tuple[float, ...] | None:
        """||tau_i|| / ||theta0||; None without a base or where it is 0."""
        if not self.base_norm:
            return None
        return tuple(norm / self.base_norm for norm in self.norms)

    @property
    def cosine_between(self) -> float | None:
        """The mean cosine of different models; None for one alone."""
        return mean_between(self.cosines)


@dataclass(frozen=True)
class Inspection:
    """tau_i = theta_i - theta0 of the models; without a base tau_i is theta_i itself."""

    models: tuple[str, ...]
    base: str | None
    by: str
    whole: Part
    parts: tuple[Part, ...]


def mean_between(matrix: tuple[tuple[float, ...], ...]) -> float | None:
    """The mean of what is off the diagonal."""
    off = [v for i, row in enumerate(matrix) for j, v in enumerate(row) if i != j]
    return sum(off) / len(off) if off else None
