"""Interference: what adding one task's vector does to another's data, predicted and measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from taujp.evaluate.labelled_tasks import check_labelled
from taujp.evaluate.outputs import predicted
from taujp.evaluate.pair_results import Interference, Matrix
from taujp.evaluate.single_task import check_names

if TYPE_CHECKING:
    from taujp.evaluate.merged import MergedModels
    from taujp.train.prepare import PreparedTask


def interference(models: MergedModels, tasks: Sequence[PreparedTask]) -> Interference:
    """For every pair of tasks: does tauJp, known before anything is merged, tell what is lost?

    On b's test data, of a's vector: tauJp = mean || J(x; theta0) tau_a ||_2; the share of
    predictions that differ between theta0 + tau_b and theta0 + tau_b + tau_a, and the accuracy
    that is lost between them. Beside them the cosines of the vectors. Nothing is chosen.
    Ordinary models are evaluated T^2 times; for their tauJp they are linearised at theta0.
    Source: Yoshida et al. 2025, "Mastering Task Arithmetic", section 4.

    Raises ValueError as single_task does, and for a task whose outputs are no logits.
    """
    check_names(models.names, tasks, operation="interference")
    check_labelled(tasks, operation="interference")
    names = [task.name for task in tasks]
    norms = {task.name: models.tau_jp(task, "test") for task in tasks}
    pairs = {task.name: _pairs(models, task, names) for task in tasks}
    return Interference(
        models.mode,
        tau_jp=_matrix(names, lambda a, b: norms[b][a]),
        cosine=_matrix(names, _cosines(models, names)),
        changed=_matrix(names, lambda a, b: pairs[b][a][0]),
        lost=_matrix(names, lambda a, b: pairs[b][a][1]),
    )


def _pairs(
    models: MergedModels, task: PreparedTask, names: Sequence[str]
) -> dict[str, tuple[float, float]]:
    """Of every vector added to the task's own: the shares changed and lost of its test data."""
    added = [name for name in names if name != task.name]
    rows = [{task.name: 1.0}, *({task.name: 1.0, name: 1.0} for name in added)]
    alone, *both = models.outputs(rows, task, "test", keep=predicted)
    right = alone.values == alone.labels
    found = {task.name: (0.0, 0.0)}
    for name, outputs in zip(added, both, strict=True):
        changed = (outputs.values != alone.values).double().mean().item()
        still = (outputs.values == alone.labels).double().mean().item()
        found[name] = changed, right.double().mean().item() - still
    return found


def _cosines(models: MergedModels, names: Sequence[str]) -> Callable[[str, str], float]:
    from taujp.merge.task_vector import cosine_matrix

    matrix = cosine_matrix([models.vectors[name] for name in names])
    return lambda a, b: float(matrix[names.index(a), names.index(b)])


def _matrix(names: Sequence[str], value: Callable[[str, str], float]) -> Matrix:
    rows = tuple(tuple(value(a, b) for b in names) for a in names)
    return Matrix(tuple(names), tuple(names), rows)
