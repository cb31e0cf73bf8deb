"""Plots of one sweep over the coefficient: addition, negation."""

from __future__ import annotations

from pathlib import Path

from taujp.evaluate.results import Addition, Negation, NegationPoint
from taujp.report.figure import (
    COLOURS,
    CONTROL,
    INK,
    accuracy_axes,
    legend_beside,
    new_figure,
    save_figure,
)


def plot_addition(result: Addition, path: str | Path) -> Path:
    """Every task's accuracy over the coefficient on validation, the means, and the choice."""
    figure, (axes,) = new_figure(size=(7.2, 4.4))
    accuracy_axes(
        axes,
        f"{len(result.tasks)} task vectors added, {result.method.replace('_', ' ')}, validation",
        "coefficient of every task vector",
    )
    order = sorted(result.validation, key=lambda point: point.coefficient)
    x = [point.coefficient for point in order]
    for index, task in enumerate(result.tasks):
        colour = COLOURS[index % len(COLOURS)]
        y = [100 * point.accuracy[task.task] for point in order]
        axes.plot(x, y, color=colour, linewidth=1.3, label=task.task)
        axes.axhline(100 * task.finetuned_validation, color=colour, linewidth=0.8, linestyle=":")
    mean = [100 * point.absolute for point in order]
    axes.plot(x, mean, color=INK, linewidth=2.6, label="mean")
    normalised = [100 * point.normalised for point in order]
    axes.plot(x, normalised, color=INK, linewidth=1.6, linestyle="--", label="mean, normalised")
    axes.axvline(result.chosen.coefficient, color=INK, linewidth=0.8)
    axes.plot([], [], color=CONTROL, linewidth=0.8, linestyle=":", label="fine-tuned alone")
    axes.plot([], [], color=INK, linewidth=0.8, label=f"chosen: {result.chosen.coefficient:g}")
    legend_beside(axes)
    return save_figure(figure, path)


def plot_negation(result: Negation, path: str | Path) -> Path:
    """Accuracy on the task to forget and on the control over the coefficient, on validation."""
    figure, (axes,) = new_figure(size=(7.2, 4.4))
    accuracy_axes(
        axes,
        f"the task vector of {result.target} subtracted, validation data",
        "coefficient subtracted",
    )
    order = sorted(result.validation, key=lambda point: point.coefficient)
    x = [point.coefficient for point in order]
    target = [100 * point.target for point in order]
    control = [100 * point.control for point in order]
    axes.plot(x, target, color=COLOURS[1], linewidth=2.2, label=f"{result.target} (forget)")
    axes.plot(x, control, color=COLOURS[0], linewidth=2.2, label=f"{result.control} (keep)")
    if isinstance(result.chosen, NegationPoint):
        chosen = result.chosen.coefficient
        axes.axvline(chosen, color=INK, linewidth=0.8, label=f"chosen: {chosen:g}")
    legend_beside(axes)
    return save_figure(figure, path)
