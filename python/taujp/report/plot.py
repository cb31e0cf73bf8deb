"""Plots of sweeps, written as PNG (or whatever the file's ending says)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from taujp.evaluate.results import Addition, Negation, NegationPoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, which colour-blind readers can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")
INK, CONTROL = "#222222", "#888888"


def _figure(title: str, coefficient: str) -> tuple[Figure, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 4.4), dpi=150, layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(coefficient)
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(0, 103)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.25)
    return figure, axes


def _save(figure: Figure, axes: Any, path: str | Path) -> Path:
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize=9)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    return path


def plot_addition(result: Addition, path: str | Path) -> Path:
    """Every task's accuracy over the coefficient on validation, the means, and the choice."""
    figure, axes = _figure(
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
    return _save(figure, axes, path)


def plot_negation(result: Negation, path: str | Path) -> Path:
    """Accuracy on the task to forget and on the control over the coefficient, on validation."""
    figure, axes = _figure(
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
    return _save(figure, axes, path)
