"""The linear structural model: how far each objective ends from the invariant coefficients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from invariance.networks import linear_network
from invariance.training import Training, train
from taujp.data.structural_model import StructuralModel
from taujp.train.objectives import make_objective

HOW = Training(steps=500, learning_rate=0.02, weight_decay=0.0, rows=None)
OBJECTIVES: dict[str, tuple[str, Mapping[str, Any]]] = {
    "ERM": ("erm", {}),
    "IRMv1": ("irmv1", {"weight": 1e5, "anneal": 100, "estimator": "square"}),
    "PAIR": ("pair", {"anneal": 100}),
}


def found_coefficients(name: str, model: StructuralModel, *, steps: int = HOW.steps) -> Tensor:
    """The log-odds' weights [inputs] that the objective of this name ends with."""
    objective, options = OBJECTIVES[name]
    how = replace(HOW, steps=steps)
    data = {key: (model.inputs[key], model.labels[key]) for key in model.inputs}
    network = linear_network(len(model.invariant))
    train(network, data, make_objective(objective, **options), how, seed=0)
    return network.features.weight.detach()[0]
