"""Invariant-risk objectives: losses over several environments, with one interface."""

from taujp.train.objectives.environments import Environments
from taujp.train.objectives.heads import HeadOfEach
from taujp.train.objectives.members import Members
from taujp.train.objectives.objective import InvarianceObjective, make_objective, objectives

__all__ = [
    "Environments",
    "HeadOfEach",
    "InvarianceObjective",
    "Members",
    "make_objective",
    "objectives",
]
