"""Weight averaging against an output ensemble: one model, or all of them every time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch

from taujp.evaluate.labelled_tasks import check_labelled
from taujp.evaluate.outputs import Outputs, score
from taujp.evaluate.results import Ensemble
from taujp.evaluate.single_task import single_task
from taujp.evaluate.task_scores import Scores

if TYPE_CHECKING:
    from taujp.evaluate.merged import MergedModels
    from taujp.train.prepare import PreparedTask


def ensemble(models: MergedModels, tasks: Sequence[PreparedTask]) -> Ensemble:
    """Both ways to make one classifier of T fine-tuned models, on every task's test data.

    weight average: theta0 + sum_t tau_t / T, as `addition` with coefficient 1/T.
    output ensemble: p(y | x) = mean over t of softmax(f_t(x)), under the head of x's task; T
    forward passes an image. Nothing is chosen.

    Raises ValueError as single_task does, and for a task whose outputs are no logits.
    """
    check_labelled(tasks, operation="ensemble")
    alone = single_task(models, tasks).tasks
    average = dict.fromkeys(models.names, 1.0 / len(models.names))
    return Ensemble(
        models.mode,
        alone,
        {task.name: models.scores([average], task, "test")[0] for task in tasks},
        {task.name: output_ensemble(models, task) for task in tasks},
    )


def output_ensemble(models: MergedModels, task: PreparedTask) -> Scores:
    """The scores of all fine-tuned models' mean probabilities, formed in float64."""
    total, labels = torch.zeros(()), torch.zeros(0)
    for name in models.names:
        outputs = models.own(name, task, "test")
        total = total + outputs.values.double().softmax(-1)
        labels = outputs.labels
    # The logarithms are logits of the same probabilities.
    mean = (total / len(models.names)).log()
    return score(Outputs(mean, labels), None, reliability=True)
