"""A made-up calibration of one way's models, its metrics computed from made-up logits."""

from __future__ import annotations

import torch

from made_results import MadeResults
from taujp.evaluate.calibration import Calibration, CalibrationPoint
from taujp.evaluate.environments import calibrate, spreads
from taujp.evaluate.outputs import Outputs


def calibration(made: MadeResults) -> Calibration:
    """The pre-trained model and the sum, on every task as an environment."""
    rows = {"zero-shot": {}, "one-shot": dict.fromkeys(made.names, 1.0)}
    points = [_point(made, name, row, at) for at, (name, row) in enumerate(rows.items())]
    return Calibration(made.way.mode, "task_arithmetic", (), tuple(points))


def _point(made: MadeResults, name: str, row: dict[str, float], at: int) -> CalibrationPoint:
    generator = torch.Generator().manual_seed(at)
    validation, test = (
        {task: _outputs(generator, 1.0 + at) for task in made.names} for _ in range(2)
    )
    found = calibrate(validation, test)
    return CalibrationPoint(
        name,
        row,
        found,
        spreads([one.plain for one in found.values()]),
        spreads([one.scaled for one in found.values()]),
    )


def _outputs(generator: torch.Generator, sure: float) -> Outputs:
    labels = torch.randint(0, 4, (60,), generator=generator)
    logits = torch.randn(60, 4, generator=generator)
    logits[torch.arange(60), labels] += 1.0
    return Outputs(sure * 2 * logits, labels)
