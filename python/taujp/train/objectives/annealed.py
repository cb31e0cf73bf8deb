"""A penalty whose weight rises once, after the network has found features worth choosing from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from taujp.train.objectives.objective import InvarianceObjective, Log


@dataclass(eq=False)
class Annealed(InvarianceObjective):
    """risk + weight * penalty: `before` in the place of `weight` in the first `anneal` steps.

    The optimiser forgets its moments at the step of the rise: gradients grow by orders of
    magnitude there, and Adam's old second moments would turn them into huge steps (Gulrajani &
    Lopez-Paz 2021, arXiv 2007.01434, whose defaults these are). rescale: divides the sum by the
    weight where that is above 1, as the code of Arjovsky et al. 2019 does, with its 1e4.
    """

    weight: float = 1e2
    anneal: int = 500
    before: float = 1.0
    rescale: bool = False

    def begin(self, step: int) -> bool:
        """True at the step of the rise."""
        super().begin(step)
        return 0 < step == self.anneal

    @property
    def penalty_weight(self) -> float:
        """At this step."""
        return self.weight if int(self.step) >= self.anneal else self.before

    def penalised(self, risk: Tensor, penalty: Tensor, log: Log) -> tuple[Tensor, Log]:
        """The loss, and the log with the penalty and its weight."""
        weight = self.penalty_weight
        loss = risk + weight * penalty
        if self.rescale and weight > 1:
            loss = loss / weight
        told = {"penalty": penalty.detach(), "penalty_weight": penalty.new_tensor(weight)}
        return loss, {**log, **told}
