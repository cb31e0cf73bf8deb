"""The IRM game: environments take turns at an ensemble whose equilibrium is invariant."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from torch import Tensor, nn

from taujp.train.objectives.batch_risks import batch_risks
from taujp.train.objectives.environments import Environments
from taujp.train.objectives.members import Members
from taujp.train.objectives.objective import InvarianceObjective, Log, invariance_objective


@invariance_objective("irm_game")
@dataclass(eq=False)
class IrmGame(InvarianceObjective):
    """The predictor is the mean of a member for each environment; one of them learns a step.

        turn e < E:  member e minimises R_e of the mean, the others held
        turn E:      the featuriser minimises mean_e R_e, the members held    (shared only)

    Ahuja et al. 2020 (arXiv 2002.04692). shared=False ("F-IRM"): the members are whole networks,
    the period is E. shared=True ("V-IRM"): they are heads on one featuriser, the period E + 1.
    There is no penalty and nothing to anneal; the risks oscillate, and theirs stops training once
    the training accuracy has fallen below a threshold: a mean over seeds needs such a rule, or
    enough steps. In `members`, the Members that play, members are in the order of the environments.

    Not for DistributedDataParallel as it is: the weights that are held have no gradient to wait
    for; its find_unused_parameters=True allows it.
    """

    members: Members
    shared: bool = True

    def __setattr__(self, name: str, value: Any) -> None:
        # Not a submodule: the learner owns the members, and their weights are saved once.
        if name == "members":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)

    def begin(self, step: int) -> bool:
        """Says whose turn it is."""
        super().begin(step)
        turn = step % (len(self.members) + self.shared)
        self.members.turn = turn if turn < len(self.members) else Members.FEATURES
        return False

    def forward(
        self, features: Tensor, head: nn.Module, environments: Environments
    ) -> tuple[Tensor, Log]:
        names = environments.names
        if len(names) != len(self.members):
            raise ValueError(
                f"irm_game: {len(self.members)} members for {len(names)} environments "
                f"{list(names)}; expected a member for each"
            )
        found = batch_risks(self.name, features, head, environments)
        risks, turn = found.risks(), self.members.turn
        mine = turn is not None and turn != Members.FEATURES
        loss = risks[turn] if mine else risks.mean()
        return loss, found.log()

    @property
    def settings(self) -> dict[str, Any]:
        """Without the members' weights."""
        kept = {one.name: getattr(self, one.name) for one in fields(self) if one.name != "members"}
        return {"name": self.name, "members": len(self.members), **kept}
