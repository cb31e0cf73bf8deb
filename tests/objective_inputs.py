"""What the objectives' tests share: batches of several environments, and how to compare losses."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import reference_objective as twin
from taujp.train.objectives import Environments

NAMES = ("sun", "rain", "snow")
SIZES = (8, 13, 5)  # unequal


def batch(sizes=SIZES, names=NAMES, *, classes: int = 4, seed: int = 0):
    """features [n, 6] float64 with grad, a head, environments whose rows are mixed."""
    torch.manual_seed(seed)
    features = torch.randn(sum(sizes), 6, dtype=torch.float64, requires_grad=True)
    head = nn.Linear(6, classes).double()
    labels = torch.randint(0, classes, (sum(sizes),))
    index = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    mixed = torch.randperm(len(index))
    return features, head, Environments(labels, index[mixed], names)


def by_environment(features: Tensor, environments: Environments) -> list[twin.Rows]:
    """What the twin takes; rows keep their order inside an environment."""
    places = [torch.nonzero(environments.index == e)[:, 0] for e in range(len(environments.names))]
    return [(features[place], environments.labels[place]) for place in places]


def value_and_gradients(loss: Tensor, features: Tensor, head: nn.Module) -> list[Tensor]:
    points = [features, *head.parameters()]
    return [loss.detach(), *torch.autograd.grad(loss, points, materialize_grads=True)]


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)
