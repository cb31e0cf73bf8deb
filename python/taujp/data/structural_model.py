"""The linear structural model of the IRM paper, where the right answer is known.

Arjovsky et al. 2019 (arXiv 1907.02893, section 5.1), with a logistic response, so that the
cross-entropy is its own likelihood. In the environment of scale e:

    x1 ~ N(0, I), or with `causes_vary` N(0, e^2 I)         causes
    h = <w, x1> + logistic noise,  y = [h > 0]
    x2 = h W + N(0, e^2 I)                                  effects

P(y = 1 | x1) = sigmoid(<w, x1>) in every environment, so w on the causes and 0 on the effects is
the invariant predictor. The effects tell y well where e is small: least risk uses them, however
many data there are. The paper's causes vary, and the squared error of its invariant predictor is
the same everywhere; a cross-entropy is so only where they do not, which VREx and PAIR rely on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

SCALES = (0.5, 1.0, 2.0)  # the paper's are 0.2, 2 and 5


@dataclass(frozen=True)
class StructuralModel:
    """inputs float64 [n, causes + effects] and labels int64 [n] of every environment by its name.

    invariant [causes + effects]: the log-odds of label 1 that hold in all of them.
    """

    inputs: dict[str, Tensor]
    labels: dict[str, Tensor]
    invariant: Tensor

    def error(self, coefficients: Tensor) -> float:
        """mean over inputs of (coefficient - invariant coefficient)^2."""
        found = coefficients.detach().flatten().double()
        if found.shape != self.invariant.shape:
            raise ValueError(
                f"StructuralModel.error: the coefficients have the shape {tuple(found.shape)}; "
                f"expected {tuple(self.invariant.shape)}, one an input"
            )
        return float((found - self.invariant).square().mean())


def structural_model(
    rows: int,
    *,
    seed: int = 0,
    scales: Sequence[float] = SCALES,
    causes: int = 2,
    effects: int = 2,
    causes_vary: bool = False,
    scrambled: bool = False,
) -> StructuralModel:
    """`rows` of every environment; w, W and the rows are functions of the seed.

    causes_vary: as in the paper. scrambled: inputs turned by a random rotation, so that no input
    is a cause or an effect alone.
    """
    import torch

    if rows < 1:
        raise ValueError(f"structural_model: rows is {rows}; expected at least 1")
    generator = np.random.default_rng(seed)
    weight = np.ones(causes)
    mixing = generator.normal(size=effects)
    mixing /= np.linalg.norm(mixing)
    width = causes + effects
    turn = np.eye(width)
    if scrambled:
        turn = np.linalg.qr(generator.normal(size=(width, width)))[0]
    inputs, labels = {}, {}
    for scale in scales:
        x1 = generator.normal(size=(rows, causes)) * (scale if causes_vary else 1.0)
        h = x1 @ weight + generator.logistic(size=rows)
        x2 = h[:, None] * mixing + generator.normal(size=(rows, effects)) * scale
        name = f"scale_{scale:g}"
        inputs[name] = torch.from_numpy(np.concatenate([x1, x2], 1) @ turn)
        labels[name] = torch.from_numpy((h > 0).astype(np.int64))
    invariant = np.concatenate([weight, np.zeros(effects)]) @ turn
    return StructuralModel(inputs, labels, torch.from_numpy(invariant))
