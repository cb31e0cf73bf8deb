"""IRM with an information bottleneck: among invariant features, those that vary least."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from taujp.train.objectives.annealed import Annealed
from taujp.train.objectives.batch_risks import batch_risks
from taujp.train.objectives.environments import Environments
from taujp.train.objectives.groups import within_variance
from taujp.train.objectives.objective import Log, invariance_objective


@invariance_objective("ib_irm")
@dataclass(eq=False)
class IbIrm(Annealed):
    """IRMv1 and a bound on the features' entropy, by their variance.

        loss = (mean_e R_e + l P) / (1 + l) + bottleneck * mean over dimensions of Var(features)

    with P IRMv1's penalty and l its weight at this step. Ahuja et al. 2021 (arXiv 2106.06607).
    over: the variance of "all" rows, of the rows of each "environment" (their code), or of each
    "class" of each environment (their code's class_condition). rescale=False leaves out the
    division (DomainBed). bottleneck_anneal: steps before the bottleneck.
    """

    rescale: bool = True
    estimator: Literal["split", "square"] = "split"
    bottleneck: float = 1.0
    bottleneck_anneal: int = 0
    over: Literal["all", "environment", "class"] = "all"

    def begin(self, step: int) -> bool:
        """True where either weight rises."""
        return super().begin(step) or 0 < step == self.bottleneck_anneal

    def forward(
        self, features: Tensor, head: nn.Module, environments: Environments
    ) -> tuple[Tensor, Log]:
        found = batch_risks(self.name, features, head, environments)
        penalty = found.squared_slopes(self.estimator).mean()
        weight, log = self.penalty_weight, found.log()
        loss = found.risks().mean() + weight * penalty
        if self.rescale:
            loss = loss / (1 + weight)
        variance = self.variance(features, environments, found.classes)
        if int(self.step) >= self.bottleneck_anneal:
            loss = loss + self.bottleneck * variance
        log |= {"penalty": penalty.detach(), "penalty_weight": penalty.new_tensor(weight)}
        return loss, {**log, "bottleneck": variance.detach()}

    def variance(self, features: Tensor, environments: Environments, classes: int) -> Tensor:
        """Of the features [n, width] as `over` says, fp32 or better."""
        values = features.to(torch.promote_types(features.dtype, torch.float32))
        index, labels = environments.index, environments.labels
        if self.over == "environment":
            return within_variance(values, index, len(environments.names))
        if self.over == "class":
            count = classes * len(environments.names)
            return within_variance(values, index * classes + labels, count)
        return within_variance(values, torch.zeros_like(index), 1)
