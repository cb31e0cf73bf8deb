"""Bayesian invariant risk minimisation: the scale is a distribution, not a point."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from taujp.train.batches import drawn
from taujp.train.objectives.annealed import Annealed
from taujp.train.objectives.batch_risks import batch_risks
from taujp.train.objectives.environments import Environments
from taujp.train.objectives.objective import Log, invariance_objective

SCALES = 7  # what a step's scales are drawn for; train/batches.py has the other purposes


@invariance_objective("birm")
@dataclass(eq=False)
class Birm(Annealed):
    """IRMv1's penalty as an expectation over the scale, which a large network cannot overfit.

        loss = mean_e R_e + weight * mean_e E[(dR_e/dw)^2],  w ~ N(1, deviation^2)

    Lin et al. 2022 (Bayesian Invariant Risk Minimization, CVPR). The expectation is over `draws`
    scales. scales: "environment" draws one for each (their code), "shared" one for all. estimator:
    as in IRMv1; both are theirs, whose halves are random. Their code has weight=1e4, anneal=200,
    before=0, draws=10, a deviation of 50 / rows, and divides by 1 + weight.
    """

    draws: int = 5
    deviation: float = 0.1
    scales: Literal["environment", "shared"] = "environment"
    estimator: Literal["split", "square"] = "square"
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.draws < 1:
            raise ValueError(f"birm: draws is {self.draws}; expected at least 1")

    def forward(
        self, features: Tensor, head: nn.Module, environments: Environments
    ) -> tuple[Tensor, Log]:
        scales = self.drawn_scales(len(environments.names)).to(features.device)
        rows = torch.cat([torch.ones_like(scales[:1]), scales])[:, environments.index]
        found = batch_risks(self.name, features, head, environments, rows)
        penalty = found.squared_slopes(self.estimator)[1:].mean()
        return self.penalised(found.risks().mean(), penalty, found.log())

    def drawn_scales(self, count: int) -> Tensor:
        """This step's, [draws, environments], float64."""
        generator = torch.Generator().manual_seed(drawn(self.seed, SCALES, int(self.step)))
        shape = (self.draws, 1 if self.scales == "shared" else count)
        normal = torch.randn(shape, generator=generator, dtype=torch.float64)
        return (1 + self.deviation * normal).expand(self.draws, count)
