"""One pass over a data set for any number of edits of one live model.

Loading images costs more than writing weights, so the edits take turns on a group of batches that
is held in memory; every image is loaded once, whatever the number of edits.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from taujp.evaluate.classifier import Classifier
from taujp.evaluate.outputs import Keep, Outputs, all_of_it
from taujp.tangent.swap import swapped
from taujp.tangent.tower import fused_forwards

Batch = tuple[Any, Tensor]


@torch.inference_mode()
def run_over(
    classifier: Classifier,
    head: nn.Module | None,
    dataset: Dataset[Any],
    edits: Sequence[Callable[[], None]],
    *,
    keep: Keep = all_of_it,
    batch_size: int = 128,
    workers: int = 0,
    images_at_once: int = 1024,
) -> list[Outputs]:
    """The outputs of the whole data set for each edit; an edit writes the model's weights.

    open_clip's towers compute only what their features need (tangent/tower.py): the same numbers to
    the rounding of fp32.
    images_at_once: how many inputs are held at least while the edits take turns.
    """
    head = None if head is None else copy.deepcopy(head).to(classifier.device)
    values: list[list[Tensor]] = [[] for _ in edits]
    labels: list[Tensor] = []
    module = classifier.module
    with evaluating(module), swapped(module, {}, fused_forwards(module)):
        for group in _groups(dataset, batch_size, workers, images_at_once):
            labels += [its_labels for _, its_labels in group]
            for edit, found in zip(edits, values, strict=True):
                edit()
                found += [keep(classifier.outputs(inputs, head)).cpu() for inputs, _ in group]
    if not labels:
        raise ValueError("evaluate: the data set is empty; expected at least one image")
    true = torch.cat(labels)
    return [Outputs(torch.cat(found), true) for found in values]


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """The module in evaluation mode inside the block (no dropout, fixed batch statistics)."""
    was_training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(was_training)


def _groups(
    dataset: Dataset[Any], batch_size: int, workers: int, images_at_once: int
) -> Iterator[list[Batch]]:
    group: list[Batch] = []
    for inputs, labels in DataLoader(dataset, batch_size, num_workers=workers):
        group.append((inputs, labels))
        if len(group) * batch_size >= images_at_once:
            yield group
            group = []
    if group:
        yield group
