"""RegMean++: every layer is merged by regression on what the layers merged before it give."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from taujp.checkpoint import Checkpoint, composed, tensor_of
from taujp.evaluate.classifier import Classifier, classifier_of, placed
from taujp.evaluate.data_pass import evaluating
from taujp.learn.views import check_tasks, theta0_of, views_of
from taujp.merge.merge_many import merge_many
from taujp.statistics.batches import batches_of
from taujp.statistics.grams import grams_of, watched
from taujp.statistics.linear_inputs import LinearInputs
from taujp.statistics.stored import Statistics
from taujp.tangent.attribution import layer_groups
from taujp.tangent.math_attention import no_fast_path

Batches = Sequence[Any]


class _Enough(Exception):
    """The layer that is looked at has run; the rest of the model need not."""


@torch.no_grad()
def regmean_plus_plus(
    model: Any,
    finetuned: Mapping[str, Any],
    data: Mapping[str, Any],
    *,
    coefs: Sequence[float] | None = None,
    scale: float = 0.95,
    examples: int = 256,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    batch_size: int = 64,
    workers: int = 0,
) -> dict[str, Tensor]:
    """Merge by regression where regmean's layers drift apart: deep models, many tasks.

    Layer by layer in the order in which they run: task i's data go through the layers merged so
    far, then through model i's own layer l, whose linear maps' inputs give G_i; the layer is merged
    as by `merge_many(method="regmean")` before the next one's turn. A layer is a block of the
    names ("resblocks.3"), or a linear map outside of them; what else is outside is averaged first
    (the authors' program keeps the norm behind the last block as in the base).
    About half as many forward passes of the data as there are layers, and one set of inputs in
    memory a task.

    Args:
      model: theta0, as `taujp.evaluate.classifier_of` takes it; it is edited in place and theta0
        again at the end. finetuned: {task: checkpoint}. data: {task: unlabelled data}, as in
        `gather_grams`, with examples, seed, dtype, batch_size and workers.
      coefs, scale: of regmean; default: 1 for each.

    Returns: a state dict of what is edited: all weights, or "visual.*" of an open_clip model.
    Raises: MergeError where names of data and checkpoints differ; ValueError of the data.
    Source: Nguyen et al. 2025, arXiv 2508.03121.
    """
    check_tasks(data, finetuned, "regmean_plus_plus")
    classifier = classifier_of(model)
    theta0 = theta0_of(classifier)
    views = views_of(theta0, finetuned, "regmean_plus_plus")
    how = {"examples": examples, "seed": seed, "batch_size": batch_size, "workers": workers}
    batches = {
        task: [inputs for inputs, _ in batches_of(data[task], operation="regmean_plus_plus", **how)]
        for task in views
    }
    row = [1.0] * len(views) if coefs is None else list(coefs)
    live = classifier.state()
    merged: dict[str, Tensor] = {}

    def keep(found: Mapping[str, Tensor]) -> None:
        merged.update(found)
        for name, value in found.items():
            live[name].copy_(value)

    with evaluating(classifier.module), no_fast_path():
        try:
            stages = _stages(classifier, next(iter(batches.values()))[0], theta0, dtype)
            inside = {name for stage in stages for name in stage.names}
            keep(_averaged(views, [name for name in theta0 if name not in inside], row))
            for stage in stages:
                grams = [
                    _grams(classifier, view, stage, batches[task], dtype)
                    for task, view in views.items()
                ]
                parts = _parts(views, stage.linear)
                keep(merge_many(parts, row, method="regmean", grams=grams, scale=scale))
                rest = [name for name in stage.names if name not in stage.linear]
                keep(_averaged(views, rest, row))
        finally:
            for name, value in theta0.items():
                live[name].copy_(value)
    return {name: merged[name] for name in theta0}


@dataclass(frozen=True)
class _Stage:
    """What is merged together: a block's names, and the weights of its linear maps among them."""

    names: list[str]
    linear: list[str]


def _stages(
    classifier: Classifier, inputs: Any, theta0: Mapping[str, Tensor], dtype: torch.dtype
) -> list[_Stage]:
    """Every block with linear maps, and each linear map outside of them, in the order of use."""
    watch = watched(classifier, dtype)
    _run(classifier, inputs, watch)
    block_of = {
        name: block
        for block, names in layer_groups(theta0).items()
        if any(part.isdigit() for part in block.split("."))
        for name in names
    }
    stages: dict[str, _Stage] = {}
    for weight in grams_of(watch)[0]:
        block = block_of.get(weight, weight)
        members = [name for name in theta0 if block_of.get(name, name) == block]
        stages.setdefault(block, _Stage(members, [])).linear.append(weight)
    return list(stages.values())


def _grams(
    classifier: Classifier,
    view: Checkpoint,
    stage: _Stage,
    batches: Batches,
    dtype: torch.dtype,
) -> Statistics:
    """G of one stage of one model, behind those merged so far, on its task's data."""
    live = classifier.state()
    for name in stage.names:
        live[name].copy_(tensor_of(view, name))
    watch = watched(classifier, dtype, set(stage.linear))
    for inputs in batches:
        _run(classifier, inputs, watch, set(stage.linear))
    tensors, rows = grams_of(watch)
    return Statistics("grams", tensors, {"rows": rows, **watch.settings})


def _averaged(
    views: Mapping[str, Checkpoint], names: Sequence[str], row: Sequence[float]
) -> dict[str, Tensor]:
    return merge_many(_parts(views, names), row, method="average") if names else {}


def _run(
    classifier: Classifier, inputs: Any, watch: LinearInputs, until: set[str] | None = None
) -> None:
    """A forward pass, which ends where every map of `until` has had its turn."""
    module = classifier.module
    ends = [] if until is None else _parents(module, until)
    before = dict(watch.rows)

    def stop(*_: Any) -> None:
        if until and all(watch.rows.get(name, 0) > before.get(name, 0) for name in until):
            raise _Enough

    hooks = [end.register_forward_hook(stop) for end in ends]
    try:
        with watch:
            classifier.predict(module, placed(inputs, next(module.parameters())))
    except _Enough:
        pass
    finally:
        for hook in hooks:
            hook.remove()


def _parents(module: nn.Module, names: set[str]) -> list[nn.Module]:
    """The smallest module that holds all of these parameters, where it is not the model."""
    paths = ["/".join(name.split(".")[:-1]) for name in names]
    found = os.path.commonpath(paths).replace("/", ".") if all(paths) else ""
    return [module.get_submodule(found)] if found else []


def _parts(views: Mapping[str, Checkpoint], names: Sequence[str]) -> list[Checkpoint]:
    """The checkpoints' views of these names alone."""
    return [composed(v.label, {name: (v, name) for name in names}) for v in views.values()]
