"""Pareto invariant risk minimisation: risk, IRMv1's and VREx' penalties, weighed in every step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from taujp.train.objectives.batch_risks import BatchRisks, batch_risks
from taujp.train.objectives.environments import Environments
from taujp.train.objectives.objective import InvarianceObjective, Log, invariance_objective
from taujp.train.objectives.pareto import balance
from taujp.train.objectives.ranks import sum_over_ranks, world_size
from taujp.train.objectives.vrex import Variance, variance_of

LOSSES = ("risk", "slope", "variance")


@invariance_objective("pair")
@dataclass(eq=False)
class Pair(InvarianceObjective):
    """Weighs its three losses anew in every step, towards a preferred point of the Pareto front.

        l = [mean_e R_e, mean_e (dR_e/dw)^2, Var_e R_e],   loss = <alpha, l>

    ERM in the first `anneal` steps; the optimiser forgets its moments after them. Then alpha
    solves the linear programme of `pareto.py` exactly, from the inner products of the three
    gradients. Chen et al. 2023 (arXiv 2206.07766); their preference on coloured digits is
    (1e-12, 1e-2, 1 - both). The losses' products with it shall become equal: the smaller a loss's
    preference, the larger it may stay. A preference that no point of the front satisfies is
    approached as far as it goes: "non_uniformity" of the log then stays above `precision`. Where
    a step's programme has no solution, alpha is the preference (theirs too): "fallback" is 1.

    gradients: with respect to the "weights" given to `follow`, theirs are the last layer's; or to
    the "features" (Sener & Koltun 2018, arXiv 1810.04650), which costs no pass through the
    network. Weights cost three such passes beside the step's own. variance: theirs is "sample".
    """

    preference: tuple[float, float, float] = (1e-12, 1e-2, 1 - 1e-2 - 1e-12)
    anneal: int = 500
    precision: float = 1e-4
    gradients: Literal["weights", "features"] = "weights"
    variance: Variance = "sample"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._followed: tuple[nn.Parameter, ...] = ()
        given = tuple(self.preference)
        sound = len(given) == len(LOSSES) and all(0 <= part < math.inf for part in given)
        if not sound or sum(given) <= 0:
            raise ValueError(
                f"pair: preference is {given}; expected {len(LOSSES)} finite numbers, 0 or more "
                f"and not all 0, for {', '.join(LOSSES)}"
            )

    def begin(self, step: int) -> bool:
        """True at the first step that is weighed."""
        super().begin(step)
        return 0 < step == self.anneal

    def follow(self, parameters: Iterable[nn.Parameter]) -> None:
        """The weights whose gradients are compared."""
        self.__dict__["_followed"] = tuple(parameters)

    def forward(
        self, features: Tensor, head: nn.Module, environments: Environments
    ) -> tuple[Tensor, Log]:
        self._needs_several(environments)
        found = batch_risks(self.name, features, head, environments)
        losses = self.losses(found)
        told = {"penalty": losses[1].detach(), "variance": losses[2].detach()}
        if int(self.step) < self.anneal:
            return losses[0], {**found.log(), **told}
        gram = self._gram(losses, features)
        chosen = balance(
            losses.detach().double().cpu().numpy(),
            gram.cpu().numpy(),
            torch.tensor(self.preference, dtype=torch.float64).numpy() / sum(self.preference),
            precision=self.precision,
        )
        weights = losses.new_tensor(chosen.weights.tolist())
        told |= {f"weight_{name}": weight for name, weight in zip(LOSSES, weights, strict=True)}
        told["non_uniformity"] = losses.new_tensor(chosen.non_uniformity)
        told["fallback"] = losses.new_tensor(float(chosen.move == "preference"))
        return weights @ losses, {**found.log(), **told}

    def losses(self, found: BatchRisks) -> Tensor:
        """The three, [3]."""
        risks = found.risks()
        penalty = found.squared_slopes("square").mean()
        return torch.stack([risks.mean(), penalty, variance_of(risks, self.variance)])

    def _gram(self, losses: Tensor, features: Tensor) -> Tensor:
        """The inner products of the losses' gradients, [3, 3], over all ranks."""
        ranks = world_size()  # as many times a rank's share is what it finds: see ranks.py
        if self.gradients == "features":
            shares = gradients_of(losses, [features]) / ranks
            return sum_over_ranks(shares @ shares.mT)
        if not self._followed:
            raise RuntimeError(
                "pair: the weights whose gradients are compared are not known; expected "
                "objective.follow(parameters) before the first step, or gradients='features'"
            )
        whole = sum_over_ranks(gradients_of(losses, self._followed)) / ranks
        return whole @ whole.mT


def gradients_of(losses: Tensor, points: Sequence[Tensor]) -> Tensor:
    """Of each loss at all points, [losses, elements], float64."""
    rows = []
    for loss in losses:
        found = torch.autograd.grad(loss, points, retain_graph=True, materialize_grads=True)
        rows.append(torch.cat([part.double().reshape(-1) for part in found]))
    return torch.stack(rows)
