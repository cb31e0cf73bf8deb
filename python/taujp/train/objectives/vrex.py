"""Risk extrapolation: the environments' risks shall be equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from taujp.train.objectives.annealed import Annealed
from taujp.train.objectives.batch_risks import batch_risks
from taujp.train.objectives.environments import Environments
from taujp.train.objectives.objective import Log, invariance_objective

Variance = Literal["population", "sample"]


@invariance_objective("vrex")
@dataclass(eq=False)
class VRex(Annealed):
    """loss = mean_e R_e + weight * Var_e R_e, of two environments or more.

    Krueger et al. 2021 (arXiv 2003.00688). variance: "population" divides by their number
    (DomainBed, whose weight and anneal are the defaults), "sample" by one less; the code of the
    paper has weight=1e4 and rescale=True.
    """

    weight: float = 10.0
    variance: Variance = "population"

    def forward(
        self, features: Tensor, head: nn.Module, environments: Environments
    ) -> tuple[Tensor, Log]:
        self._needs_several(environments)
        found = batch_risks(self.name, features, head, environments)
        risks = found.risks()
        return self.penalised(risks.mean(), variance_of(risks, self.variance), found.log())


def variance_of(risks: Tensor, variance: Variance) -> Tensor:
    """Of the risks [environments]."""
    return risks.var(correction=1 if variance == "sample" else 0)
