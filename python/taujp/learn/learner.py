"""Coefficients as parameters, whose gradient comes from a live model's."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from taujp.evaluate.classifier import Classifier
from taujp.merge.edit import Editor
from taujp.merge.errors import MergeError
from taujp.statistics.batches import split_batch
from taujp.train.prepare import PreparedTask


class Learner(nn.Module):
    """The coefficients [groups, tasks], and how their gradient comes from the live model."""

    def __init__(
        self,
        classifier: Classifier,
        editor: Editor,
        tasks: Sequence[PreparedTask],
        start: float,
        clamp: tuple[float, float] | None,
    ) -> None:
        super().__init__()
        table = torch.full(editor.shape, start, dtype=torch.float64)
        self.table = nn.Parameter(table)
        # Not submodules: they are not learned.
        self._live = (classifier, editor)
        self._heads = [(task.name, _frozen(task.head, classifier)) for task in tasks]
        self._clamp = clamp

    def coefficients(self) -> Tensor:
        """The table as it acts."""
        return self.table if self._clamp is None else self.table.clamp(*self._clamp)

    def step(self, optimiser: torch.optim.Optimizer, batches: list[Any], step: int) -> list[float]:
        """One step of the optimiser; the tasks' entropies before it."""
        classifier, editor = self._live
        optimiser.zero_grad()
        acting = self.coefficients()
        editor(acting)
        found = []
        for (name, head), batch in zip(self._heads, batches, strict=True):
            inputs, _ = split_batch(batch, "adamerging")
            loss = entropy(classifier.outputs(inputs, head))
            found.append(float(loss.detach()))
            if not math.isfinite(found[-1]):
                raise FloatingPointError(
                    f"adamerging: the entropy of {name!r} is {found[-1]} at step {step}; expected "
                    "a finite number; look at its inputs, or lower the learning rate"
                )
            loss.backward()
        parameters = dict(classifier.module.named_parameters(remove_duplicate=False))
        grads = [parameters[name].grad if name in parameters else None for name in editor.names]
        acting.backward(editor.gradient(grads))
        for parameter in parameters.values():
            parameter.grad = None
        optimiser.step()
        return found


def entropy(logits: Tensor) -> Tensor:
    """mean_x of -sum_y p log p, p = softmax(logits [n, classes]): a scalar."""
    if logits.dim() != 2:
        raise MergeError(
            f"adamerging: outputs are {tuple(logits.shape)}; expected logits [n, classes]; give "
            "the task a head, or make a taujp.evaluate.Classifier whose predict returns logits"
        )
    log_p = logits.log_softmax(-1)
    return -(log_p.exp() * log_p).sum(-1).mean()


def _frozen(head: nn.Module | None, classifier: Classifier) -> nn.Module | None:
    """A copy of a task's head where the model is; the task's own stays as it is."""
    if head is None:
        return None
    return copy.deepcopy(head).to(classifier.device).eval().requires_grad_(False)


@contextmanager
def gradients_of(classifier: Classifier, names: Sequence[str]) -> Iterator[None]:
    """Inside, exactly what is edited of the model has gradients; none are left."""
    named = dict(classifier.module.named_parameters(remove_duplicate=False))
    edited = {id(named[name]) for name in names if name in named}  # tied ones have several names
    before = [(value, value.requires_grad, value.grad) for value in classifier.module.parameters()]
    try:
        for value, _, _ in before:
            value.requires_grad_(id(value) in edited)
            value.grad = None
        with torch.enable_grad():
            yield
    finally:
        for value, required, grad in before:
            value.requires_grad_(required)
            value.grad = grad
