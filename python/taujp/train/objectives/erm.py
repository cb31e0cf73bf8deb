"""Empirical risk minimisation: what the others are measured against."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from taujp.train.objectives.batch_risks import batch_risks
from taujp.train.objectives.environments import Environments
from taujp.train.objectives.objective import InvarianceObjective, Log, invariance_objective


@invariance_objective("erm")
@dataclass(eq=False)
class Erm(InvarianceObjective):
    """loss = mean_e R_e: every environment counts the same, however many rows it has."""

    def forward(
        self, features: Tensor, head: nn.Module, environments: Environments
    ) -> tuple[Tensor, Log]:
        found = batch_risks(self.name, features, head, environments)
        return found.risks().mean(), found.log()
