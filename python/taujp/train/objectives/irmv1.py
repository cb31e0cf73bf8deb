"""Invariant risk minimisation, in its practical form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from taujp.train.objectives.annealed import Annealed
from taujp.train.objectives.batch_risks import batch_risks
from taujp.train.objectives.environments import Environments
from taujp.train.objectives.objective import Log, invariance_objective


@invariance_objective("irmv1")
@dataclass(eq=False)
class IrmV1(Annealed):
    """Asks that one scale of the logits be the best in every environment.

        loss = mean_e R_e + weight * mean_e (dR_e/dw)^2 at w = 1

    Arjovsky et al. 2019 (arXiv 1907.02893). estimator: "split", even rows times odd ones, is
    unbiased (their appendix; DomainBed); "square" is their code's, with weight=1e4, anneal=100,
    rescale=True. Takes a single environment too.
    """

    estimator: Literal["split", "square"] = "split"

    def forward(
        self, features: Tensor, head: nn.Module, environments: Environments
    ) -> tuple[Tensor, Log]:
        found = batch_risks(self.name, features, head, environments)
        penalty = found.squared_slopes(self.estimator).mean()
        return self.penalised(found.risks().mean(), penalty, found.log())
