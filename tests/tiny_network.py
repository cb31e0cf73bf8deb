"""A network of a few weights with random fine-tunes and tasks, and its sums by plain loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp
from torch.utils.data import TensorDataset

from taujp.data import Splits
from taujp.train import PreparedTask

NAMES = ("a", "b", "c", "d")
CLASSES, WIDTH = 4, 6


def tiny_network(seed: int = 0) -> nn.Module:
    """Inputs [n, 6] to logits [n, 4]."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(WIDTH, 8), nn.Tanh(), nn.Linear(8, CLASSES)).eval()


def tiny_finetunes(network: nn.Module, size: float = 0.5) -> dict[str, dict[str, Tensor]]:
    """A state for each of NAMES, moved at random."""
    generator = torch.Generator().manual_seed(1)
    return {
        name: {
            key: theta + size * torch.randn(theta.shape, generator=generator)
            for key, theta in network.state_dict().items()
        }
        for name in NAMES
    }


def tiny_tasks(count: int = 60) -> list[PreparedTask]:
    """A task for each of NAMES: every fine-tune's own answers to other inputs, a fifth wrong."""
    network = tiny_network()
    states = tiny_finetunes(network)
    return [
        PreparedTask(
            name,
            None,
            Splits(*(_data(network, states[name], count, 10 * k + part) for part in range(3))),
        )
        for k, name in enumerate(NAMES)
    ]


def _data(network: nn.Module, state: dict[str, Tensor], count: int, seed: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(100 + seed)
    inputs = torch.randn(count, WIDTH, generator=generator)
    with torch.no_grad():
        labels = functional_call(network, state, (inputs,)).argmax(-1)
    labels[::5] = torch.randint(0, CLASSES, labels[::5].shape, generator=generator)
    return TensorDataset(inputs, labels)


@dataclass(frozen=True)
class PlainSums:
    """What theta0 + sum_t c_t tau_t answers, in float64: the twin of MergedWeights, and with
    `linearised` of MergedTangents."""

    network: nn.Module
    states: dict[str, dict[str, Tensor]]
    linearised: bool = False

    def logits(self, row: dict[str, float], task: PreparedTask, split: str) -> Tensor:
        theta0 = {key: value.double() for key, value in self.network.state_dict().items()}
        tau = {key: torch.zeros_like(value) for key, value in theta0.items()}
        for name, coefficient in row.items():
            for key in tau:
                tau[key] += coefficient * (self.states[name][key].double() - theta0[key])
        inputs = getattr(task.splits, split).tensors[0].double()

        def call(theta: dict[str, Tensor]) -> Tensor:
            return functional_call(self.network, theta, (inputs,))

        with torch.no_grad():
            if self.linearised:
                f0, df = jvp(call, (theta0,), (tau,))
                return f0 + df
            return call({key: theta0[key] + tau[key] for key in tau})

    def predictions(self, row: dict[str, float], task: PreparedTask, split: str = "test") -> list:
        return self.logits(row, task, split).argmax(-1).tolist()

    def accuracy(self, row: dict[str, float], task: PreparedTask, split: str = "test") -> float:
        labels = getattr(task.splits, split).tensors[1].tolist()
        predicted = self.predictions(row, task, split)
        return sum(p == y for p, y in zip(predicted, labels, strict=True)) / len(labels)


def by_name(tasks: Sequence[PreparedTask], *names: str) -> list[PreparedTask]:
    """Some of the tasks, in this order."""
    return [next(task for task in tasks if task.name == name) for name in names]


def other_test_labels(task: PreparedTask) -> PreparedTask:
    """The same task, but for the answers of its test data."""
    inputs, labels = task.splits.test.tensors
    wrong = TensorDataset(inputs, (labels + 1) % 4)
    return replace(task, splits=Splits(task.splits.train, task.splits.validation, wrong))
