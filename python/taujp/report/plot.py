"""Plots of one sweep over the coefficient: addition, negation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from taujp.evaluate.results import Addition, AdditionPoint, Negation, NegationPoint
from taujp.report.figure import (
    COLOURS,
    CONTROL,
    INK,
    accuracy_axes,
    drawn,
    legend_beside,
    line_look,
    new_figure,
    save_figure,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_addition(result: Addition, path: str | Path) -> Path:
    """Every task's accuracy over the coefficient on validation, the means, and the choice."""
    return save_figure(draw_addition(result), path)


def plot_negation(result: Negation, path: str | Path) -> Path:
    """Accuracy on the task to forget and on the control over the coefficient, on validation."""
    return save_figure(draw_negation(result), path)


@drawn
def draw_addition(result: Addition) -> Figure:
    """The figure of plot_addition."""
    figure, (axes,) = new_figure(size=(7.2, 4.4))
    accuracy_axes(
        axes,
        f"{len(result.tasks)} task vectors added, {result.method.replace('_', ' ')}, validation",
        "coefficient of every task vector",
    )
    x, order = over_coefficient(result)
    for index, task in enumerate(result.tasks):
        look = line_look(index)
        y = [100 * point.scores[task.task].accuracy for point in order]
        axes.plot(x, y, **look, linewidth=1.3, label=task.task)
        own = 100 * task.finetuned_validation.accuracy
        axes.axhline(own, color=look["color"], linewidth=0.8, linestyle=":")
    _means(axes, x, order)
    _marks(axes, result.chosen.coefficient)
    legend_beside(axes)
    return figure


@drawn
def draw_negation(result: Negation) -> Figure:
    """The figure of plot_negation."""
    figure, (axes,) = new_figure(size=(7.2, 4.4))
    accuracy_axes(
        axes,
        f"the task vector of {result.target} subtracted, validation data",
        "coefficient subtracted",
    )
    order = sorted(result.validation, key=lambda point: point.coefficient)
    x = [point.coefficient for point in order]
    target = [100 * point.target.accuracy for point in order]
    control = [100 * point.control.accuracy for point in order]
    axes.plot(x, target, color=COLOURS[1], linewidth=2.2, label=f"{result.target} (forget)")
    axes.plot(x, control, color=COLOURS[0], linewidth=2.2, label=f"{result.control} (keep)")
    if isinstance(result.chosen, NegationPoint):
        chosen = result.chosen.coefficient
        axes.axvline(chosen, color=INK, linewidth=0.8, label=f"chosen: {chosen:g}")
    legend_beside(axes)
    return figure


def over_coefficient(result: Addition) -> tuple[list[float], list[AdditionPoint]]:
    """The common coefficients in ascending order, and the validation points at them.

    Raises ValueError where tasks or layers have coefficients of their own: no one axis holds them.
    """
    pairs = [(point.coefficient, point) for point in result.validation]
    known = [(value, point) for value, point in pairs if value is not None]
    if len(known) < len(pairs):
        raise ValueError(
            f"plot over the coefficient: the result has the scheme {result.scheme!r}; expected "
            "'common', one coefficient of all tasks; print addition_table for the others"
        )
    known.sort(key=lambda pair: pair[0])
    return [value for value, _ in known], [point for _, point in known]


def _means(axes: Axes, x: Sequence[float], order: Sequence[AdditionPoint]) -> None:
    absolute = [100 * point.absolute for point in order]
    axes.plot(x, absolute, color=INK, linewidth=2.6, label="mean")
    normalised = [100 * point.normalised for point in order]
    axes.plot(x, normalised, color=INK, linewidth=1.6, linestyle="--", label="mean, normalised")


def _marks(axes: Axes, chosen: float | None) -> None:
    axes.plot([], [], color=CONTROL, linewidth=0.8, linestyle=":", label="fine-tuned alone")
    if chosen is not None:
        axes.axvline(chosen, color=INK, linewidth=0.8, label=f"chosen: {chosen:g}")
