"""Every objective on Coloured Digits: settings with their sources, training, calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor

from invariance.networks import TwoParts, digits_network, whole_networks
from invariance.training import Data, Training, train
from taujp.data.coloured_digits import coloured_digits, two_channels
from taujp.evaluate import Outputs
from taujp.evaluate.environments import EnvironmentCalibration, calibrate
from taujp.train.objectives import make_objective


@dataclass(frozen=True)
class Setting:
    """An objective with its hyper-parameters, how it is trained, and where both come from."""

    objective: str
    options: Mapping[str, Any] = field(default_factory=dict)
    how: Training = field(default_factory=Training)
    source: str = ""


IRM = {"weight": 1e4, "anneal": 100}
SETTINGS: dict[str, Setting] = {
    "ERM": Setting("erm", source="the same network, optimiser and steps as all others"),
    "IRMv1": Setting("irmv1", {**IRM, "estimator": "square"}, source="Arjovsky et al.'s code"),
    "VREx": Setting("vrex", IRM, source="Krueger et al.'s code"),
    "IB-IRM": Setting(
        "ib_irm",
        {**IRM, "estimator": "square", "rescale": False, "bottleneck": 0.1},
        source="IRMv1's, and a bottleneck of 0.1 (default 1)",
    ),
    "BIRM": Setting("birm", IRM, source="5 draws of deviation 0.1; IRMv1's weight"),
    "PAIR": Setting(
        "pair",
        {"anneal": 150},
        Training(rows=None, momentum_rate=0.05),
        source="Chen et al.'s code: all rows; Adam, then SGD with momentum (0.05)",
    ),
    "IRM Game": Setting(
        "irm_game",
        {"shared": False},
        Training(steps=1000, rows=512, stop_below=0.6, stop_after=100),
        source="whole networks; ends when training accuracy falls below 0.6",
    ),
}


@dataclass(frozen=True)
class DigitsData:
    """Inputs and labels by environment; `unseen` is the reversed one of `test`."""

    train: Data
    validation: Data
    test: Data
    unseen: str


@cache
def digits_data(seed: int) -> DigitsData:
    """Coloured Digits of a seed, as float32 [n, 2, 8, 8]."""
    task = coloured_digits(seed)
    splits = task.splits(two_channels)
    train, validation, test = (
        {name: _stacked(rows) for name, rows in part.items()}
        for part in (splits.train, splits.validation, splits.test)
    )
    return DigitsData(train, validation, test, task.unseen)


def trained_on_digits(setting: Setting, seed: int) -> TwoParts:
    """The network after training; its start and its rows are functions of the seed."""
    data, options = digits_data(seed), dict(setting.options)
    network = digits_network(seed)
    if setting.objective == "irm_game":
        shared = options.get("shared", True)
        count = len(data.train)
        network = digits_network(seed, heads=count) if shared else whole_networks(seed, count)
        options["members"] = network.head
    train(network, data.train, make_objective(setting.objective, **options), setting.how, seed=seed)
    return network


@torch.no_grad()
def calibrated(network: TwoParts, data: DigitsData) -> dict[str, EnvironmentCalibration]:
    """Every test environment, with one temperature from the pooled validation data."""
    validation, test = (
        {name: Outputs(network(inputs), labels) for name, (inputs, labels) in part.items()}
        for part in (data.validation, data.test)
    )
    return calibrate(validation, test, pooled=True)


def _stacked(rows: Any) -> tuple[Tensor, Tensor]:
    pairs = [rows[index] for index in range(len(rows))]
    return torch.stack([image for image, _ in pairs]), torch.tensor([label for _, label in pairs])
