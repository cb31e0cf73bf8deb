"""PCB-Merging: parameters compete, within a task and between tasks; the best keep their weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..formula import Formula
from ..method import tensor_method
from ..recipe import one_number

if TYPE_CHECKING:
    from torch import Tensor

    from ..parameter import Parameter
    from ..survey import Survey


@dataclass(frozen=True)
class Bounds:
    """Of one task, over the whole model: of its clipped |tau|, and of the scores that stay."""

    least: float
    most: float
    cut: float = 0.0
    best: float = 0.0


@tensor_method("pcb", cost="five passes: the ranks of all |tau| and scores, then the merge")
def pcb(n: int, *, density: float = 0.1, clip: float = 1e-4) -> Formula:
    """Merge by how well each element fares against the others of its task and of the other tasks.

    |tau_i| is clipped at its shares `clip` and 1 - `clip` over the whole model, and a_i is that,
    brought to [0, 1]. The score b_i = exp(N a_i^2) tanh(tau_i sum_j tau_j) counts from its share
    1 - `density` on, brought to [0, 1]: beta_i; the result is sum_i c_i beta_i tau_i / sum_i beta_i
    with the clipped tau. The paper takes coefficients of 1 (or finds them by evolution) and scales
    by lambda_, 1 to 2; density 0.05 to 0.2. As in the authors' pcb-merging.py (their program for
    images has `clip` 0.01 and sums a_j sign(tau_j) inside tanh); the paper writes softmax for exp
    and tanh. Ranks are exact: theirs of sorted lists at int(share * size).
    Source: Du et al. 2024, arXiv 2410.02396.
    """
    share = one_number("density", density, 0.0, 1.0)
    edge = one_number("clip", clip, 0.0, 0.4)

    def survey(every: Survey) -> list[Bounds]:
        return _bounds(every, n, share, edge) if every.size else []

    def merged(parameter: Parameter) -> Iterator[Tensor]:
        weights = [
            _weight(score, bounds)
            for score, bounds in zip(
                _scores(parameter.vectors, parameter.found), parameter.found, strict=True
            )
        ]
        clipped = [_clipped(t, b) for t, b in zip(parameter.vectors, parameter.found, strict=True)]
        below = sum(weights[1:], weights[0]).clamp(min=1e-12)
        for row in parameter.rows:
            terms = [tau * w * c for tau, w, c in zip(clipped, weights, row, strict=True)]
            yield sum(terms[1:], terms[0]) / below

    return Formula(merged, pointwise=True, survey=survey, surveying=2 * n + 12)


def _bounds(every: Survey, tasks: int, share: float, edge: float) -> list[Bounds]:
    from ..ranked_pieces import kth_of_pieces

    size = every.size
    ends = [int(size * edge), max(int(size * (1 - edge) - 1), 0)]
    sizes = kth_of_pieces(lambda: (map(abs, p.vectors) for p in every), ends)
    clips = [Bounds(least, most) for least, most in sizes]
    ranks = [min(int(size * (1 - share)), size - 1), size - 1]
    scores = kth_of_pieces(lambda: (_scores(p.vectors, clips) for p in every), ranks)
    return [
        Bounds(clip.least, clip.most, cut, best)
        for clip, (cut, best) in zip(clips, scores, strict=True)
    ]


def _scores(vectors: Sequence[Tensor], clips: Sequence[Bounds]) -> Iterator[Tensor]:
    together = sum(vectors[1:], vectors[0])
    for tau, clip in zip(vectors, clips, strict=True):
        width = clip.most - clip.least
        own = (tau.abs().clamp(clip.least, clip.most) - clip.least) / (width if width > 0 else 1.0)
        yield (own.square() * len(vectors)).exp() * (tau * together).tanh()


def _weight(score: Tensor, bounds: Bounds) -> Tensor:
    """beta: 0 up to the cut, 1 at the best."""
    width = bounds.best - bounds.cut
    return (score - bounds.cut).clamp(min=0) / (width if width > 0 else 1.0)


def _clipped(tau: Tensor, bounds: Bounds) -> Tensor:
    return tau.sign() * tau.abs().clamp(bounds.least, bounds.most)
