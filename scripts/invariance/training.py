"""Training of a small network on environments that are held in memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from invariance.networks import TwoParts
from taujp.train.batches import drawn
from taujp.train.objectives import Environments, InvarianceObjective

ROWS = 5  # what a step's rows are drawn for
Data = Mapping[str, tuple[Tensor, Tensor]]  # inputs and labels by environment


@dataclass(frozen=True)
class Training:
    """Adam with L2 on `rows` random rows of every environment a step; None: on all of them.

    momentum_rate: the learning rate of SGD with momentum 0.9 and without L2, in Adam's place from
    the step where the objective has the optimiser forget (PAIR's code). stop_below: training ends
    once the mean accuracy on a step's rows is below it, `stop_after` steps at the earliest (the
    rule of the IRM game's code, whose risks oscillate).
    """

    steps: int = 400
    learning_rate: float = 1e-3
    weight_decay: float = 1e-3
    rows: int | None = 1024
    momentum_rate: float | None = None
    stop_below: float = 0.0
    stop_after: int | None = None


def train(
    network: TwoParts, data: Data, objective: InvarianceObjective, how: Training, *, seed: int
) -> int:
    """Trains the network in place; how many steps it took."""
    parameters = list(network.parameters())
    objective.follow(list(network.head.parameters()) or parameters)
    optimiser = _adam(parameters, how)
    network.train()
    for step in range(how.steps):
        if objective.begin(step):
            optimiser = (_adam if how.momentum_rate is None else _sgd)(parameters, how)
        inputs, environments = _rows(data, how.rows, seed, step)
        features = network.features(inputs)
        loss, _ = objective(features, network.head, environments)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if _ends(how, step) and _accuracy(network, inputs, environments) < how.stop_below:
            break
    network.eval()
    return step + 1


def _ends(how: Training, step: int) -> bool:
    return how.stop_after is not None and step >= how.stop_after


@torch.no_grad()
def _accuracy(network: TwoParts, inputs: Tensor, environments: Environments) -> float:
    return float((network(inputs).argmax(-1) == environments.labels).double().mean())


def _adam(parameters: list[nn.Parameter], how: Training) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=how.learning_rate, weight_decay=how.weight_decay)


def _sgd(parameters: list[nn.Parameter], how: Training) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=float(how.momentum_rate or 0), momentum=0.9)


def _rows(data: Data, rows: int | None, seed: int, step: int) -> tuple[Tensor, Environments]:
    """The step's inputs, a function of the seed and the step."""
    generator = torch.Generator().manual_seed(drawn(seed, ROWS, step))
    parts = []
    for inputs, labels in data.values():
        if rows is None:
            parts.append((inputs, labels))
        else:
            chosen = torch.randint(len(labels), (rows,), generator=generator)
            parts.append((inputs[chosen], labels[chosen]))
    inputs = torch.cat([part for part, _ in parts])
    return inputs, Environments.joined([labels for _, labels in parts], list(data))
