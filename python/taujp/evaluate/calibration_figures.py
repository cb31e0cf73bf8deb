"""The headline figures of a calibration: means over environments, and the variance across them."""

from __future__ import annotations

from taujp.evaluate.calibration import Calibration
from taujp.evaluate.figures import figures


@figures.register
def _calibration(result: Calibration) -> dict[str, float]:
    found = {}
    for point in result.points:
        for metric, spread in point.plain.items():
            found[f"{metric}, {point.name}"] = spread.mean
        for metric in ("ece", "ace", "nll", "brier"):
            found[f"{metric} at temperature, {point.name}"] = point.scaled[metric].mean
        if len(point.environments) > 1:
            for metric in ("accuracy", "ece", "nll"):
                found[f"variance of {metric}, {point.name}"] = point.plain[metric].variance
    return found
