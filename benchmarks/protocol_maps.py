"""All 16 subsets and a 21 x 21 disentanglement map of linearised models, from cached tangents."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from demo_world import load
from measure import once, seconds
from record import Record
from reloading import BATCH, linearised_encoder, predicted_labels, sum_of_vectors
from torch import Tensor
from torch.utils.data import DataLoader

from taujp.data import load_demo_model
from taujp.evaluate import disentanglement, merged_models, subsets
from taujp.evaluate.outputs import predicted
from taujp.train import PreparedTask


def maps(record: Record, checkpoints: Mapping[str, Path]) -> None:
    """16 subsets and a map from cached tangents, against one evaluation of one model."""
    demo, tasks = load(in_memory=True)

    def tangent_pass() -> Any:
        models = merged_models(demo.model, checkpoints)
        for task in tasks:
            models.features(task, "validation")
            models.features(task, "test")
        return models

    def evaluated() -> None:
        for task in tasks:
            plain_accuracy(demo.model, task)

    differing = wrong_sums(tangent_pass(), tasks[0], checkpoints)
    record.add("linearised sums: predictions that differ from torch's", differing, "", 0,
               at_least=False)  # fmt: skip
    one = seconds(evaluated, repeats=3)
    made: list[Any] = []
    passed = once(lambda: made.append(tangent_pass()))
    mapped = min(once(lambda models=models: all_sums(models, tasks)) for models in
                 (made[0], tangent_pass()))  # fmt: skip
    record.raw["seconds"]["maps"] = {"one model": one, "pass": passed, "16 subsets + map": mapped}
    what = "16 subsets + 21 x 21 map, time over that of evaluating one model once"
    record.add(what, mapped / one, "x", 2.0, at_least=False)
    record.add("the tangent pass, over the same", passed / one, "x")


def wrong_sums(models: Any, task: PreparedTask, checkpoints: Mapping[str, Path]) -> int:
    """Of a subset's and of a map's corner's predictions, those that torch.func.jvp contradicts."""
    first, second, *_ = checkpoints
    rows = [dict.fromkeys(checkpoints, 1.0), {first: -3.0, second: 3.0}]
    wrong = 0
    for row, own in zip(rows, models.outputs(rows, task, "test", keep=predicted), strict=True):
        encoder = load_demo_model().model.visual
        encode = linearised_encoder(encoder, sum_of_vectors(checkpoints, row))
        labels = predicted_labels(encode, task.head.weight, task.splits.test)
        wrong += int((labels != own.values).sum())
    return wrong


def all_sums(models: Any, tasks: list[PreparedTask]) -> None:
    subsets(models, tasks)
    disentanglement(models, tasks[0], tasks[1])


@torch.inference_mode()
def plain_accuracy(model: Any, task: PreparedTask) -> float:
    """As anyone would write it."""
    right: list[Tensor] = []
    for images, labels in DataLoader(task.splits.test, BATCH):
        right.append(task.head(model.encode_image(images)).argmax(-1) == labels)
    return torch.cat(right).double().mean().item()
