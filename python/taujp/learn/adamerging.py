"""AdaMerging: coefficients that make the merged model sure of its predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from taujp.evaluate.classifier import classifier_of
from taujp.evaluate.data_pass import evaluating
from taujp.learn.learned import Learned
from taujp.learn.learner import Learner, gradients_of
from taujp.learn.settings import check_settings
from taujp.learn.trimmed import trimmed
from taujp.learn.views import check_tasks, theta0_of, ties_of, views_of
from taujp.merge.edit import edit
from taujp.merge.task_vector import TaskVector
from taujp.tangent.attribution import layer_groups
from taujp.train.batches import endless_batches
from taujp.train.prepare import PreparedTask
from taujp.train.resume import SavedState

By = Literal["task", "layer", "tensor"]
CLAMP = (0.0, 1.0)


def adamerging(
    model: Any,
    finetuned: Mapping[str, Any],
    tasks: Sequence[PreparedTask],
    *,
    by: By = "tensor",
    steps: int = 500,
    learning_rate: float = 1e-3,
    start: float = 0.3,
    clamp: tuple[float, float] | None = CLAMP,
    trim: float | None = None,
    batch_size: int = 32,
    split: Literal["test", "validation", "train"] = "test",
    seed: int = 0,
    out: str | Path | None = None,
    save_every: int = 20,
    resume: bool = True,
    workers: int = 0,
) -> Learned:
    """Learn the coefficients of a sum of task vectors from unlabelled data of all tasks.

    Minimises sum_t mean_x H(softmax(f_t(x; theta0 + sum_i c_i tau_i))) over c by Adam: the entropy
    of the predictions for a batch of each task. The model is edited in place and is theta0 again
    at the end; a step is one merge, a forward and backward pass a task, and one pass for the
    gradient of all coefficients.

    Args:
      model: theta0, as `taujp.evaluate.classifier_of` takes it. finetuned: {task: checkpoint}.
      tasks: of the same names, with heads from features to logits (None where the model gives
        logits). Of `split` the inputs alone are used: test inputs, as published.
      by: coefficients by "task", by "layer" (a block, an embedding, a norm, a head) or by "tensor"
        (each parameter: what the authors call layer-wise; the default).
      clamp: where coefficients are kept while they act, [0, 1] as in the authors' code; None: free.
      trim: of AdaMerging++: the share of each task vector that is kept (the authors: 0.2, and one
        element more) before TIES' election drops what is against the others; `Learned.merged` then
        does the same.
      batch_size: inputs of a task in a step (the authors take two batches of 16).
      out: a JSON file for the result; every `save_every` steps the state is kept beside it, and a
        run that was stopped goes on from there to the same bits; resume=False begins anew.

    Returns: Learned; merge_many takes its `coefs` (where nothing was trimmed).
    Raises: MergeError where names of tasks and checkpoints differ or options make no sense;
      FloatingPointError where an entropy is NaN. Source: Yang et al. 2024, arXiv 2310.02575.
    """
    given = {task.name: task for task in tasks}
    settings = {
        "by": by, "steps": steps, "learning_rate": learning_rate, "start": start, "clamp": clamp,
        "trim": trim, "batch_size": batch_size, "split": split, "seed": seed,
        "tasks": list(finetuned),
    }  # fmt: skip
    check_tasks(given, finetuned, "adamerging")
    check_settings({**settings, "save_every": save_every}, out)
    classifier = classifier_of(model)
    theta0 = theta0_of(classifier)
    views = views_of(theta0, finetuned, "adamerging")
    sources = views if trim is None else trimmed(theta0, views, trim)
    groups = _groups(theta0, ties_of(classifier), by)
    vectors = [TaskVector(theta0, source) for source in sources.values()]
    editor = edit(classifier.module, theta0, vectors, groups=groups)
    ordered = [given[name] for name in finetuned]
    learner = Learner(classifier, editor, ordered, start, clamp)
    optimiser = torch.optim.Adam(learner.parameters(), lr=learning_rate)
    settings["groups"] = list(groups)
    saved = SavedState(None if out is None else Path(out), settings)
    if not resume:
        saved.discard()
    entropies = saved.restore(learner, optimiser)
    done = len(entropies) // len(ordered)
    sets = {task.name: getattr(task.splits, split) for task in ordered}
    how = {"seed": seed, "start": done, "workers": workers}
    data = [endless_batches(one, batch_size, name=name, **how) for name, one in sets.items()]
    try:
        with evaluating(classifier.module), gradients_of(classifier, editor.names):
            for step in range(done, steps):
                entropies += learner.step(optimiser, [next(one) for one in data], step)
                if (step + 1) % save_every == 0:
                    saved.save(learner, optimiser, entropies)
    finally:
        editor.restore()
    return _finished(learner, groups, entropies, settings, saved, out)


def _groups(
    theta0: Mapping[str, Tensor], tied: Mapping[str, str], by: str
) -> dict[str, tuple[str, ...]]:
    """Each group's names, those that are tied to one of them after it."""
    names = [name for name, value in theta0.items() if value.is_floating_point()]
    groups: Mapping[str, Sequence[str]] = layer_groups(names)
    if by != "layer":
        groups = {"all": names} if by == "task" else {name: [name] for name in names}
    return {
        group: (*members, *(name for name, first in tied.items() if first in members))
        for group, members in groups.items()
    }


def _finished(
    learner: Learner,
    groups: Mapping[str, tuple[str, ...]],
    entropies: list[float],
    settings: Mapping[str, Any],
    saved: SavedState,
    out: str | Path | None,
) -> Learned:
    tasks = tuple(settings["tasks"])
    table = learner.coefficients().detach().tolist()
    by_step = zip(*[iter(entropies)] * len(tasks), strict=True)
    told = {name: value for name, value in settings.items() if name not in ("tasks", "groups")}
    learned = Learned(tasks, groups, tuple(map(tuple, table)), tuple(by_step), told)
    if out is not None:
        learned.save(out)
        saved.discard()
    return learned
