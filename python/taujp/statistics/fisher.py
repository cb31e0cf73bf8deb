"""Gathers Fisher information: how much a model's predictions depend on each of its parameters."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from taujp.evaluate.classifier import Classifier, classifier_of
from taujp.statistics.batches import batches_of, first_of, size_of
from taujp.statistics.stored import Statistics
from taujp.tangent.linearize import in_full_precision

LABELS = ("expected", "sampled", "given")


def gather_fisher(
    model: Any,
    data: Any,
    head: nn.Module | None = None,
    *,
    labels: str = "expected",
    draws: int = 1,
    examples: int = 256,
    seed: int = 0,
    workers: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> Statistics:
    """What `merge_many(method="fisher", fishers=[...])` needs of one fine-tuned model.

    F = mean over x of E_y (d log p(y | x) / d theta)^2, elementwise, in fp32. Examples go through
    the model one by one, so that each one's gradient is squared by itself: the square of a batch's
    summed gradient is something else. A forward pass an example, and a backward pass for each
    class ("expected"), draw ("sampled") or label ("given").

    Args:
      model, data: as in `gather_grams`. head: from the model's features to logits, as of open_clip
        models; None where the model gives logits itself.
      labels: "expected" takes E over all classes by the model's own p(y | x), exactly (the paper
        for few classes); "sampled" over `draws` of y from it; "given" takes the data's labels: the
        empirical Fisher. settings: kept with the result, such as model and task.

    Returns: Statistics by the names of the model's parameters; what no gradient reaches has F 0.
    Raises: ValueError for other options, no data, no labels where they are needed, outputs that
    are no logits [n, classes]. Source: Matena and Raffel 2022, arXiv 2111.09832.
    """
    if labels not in LABELS:
        raise ValueError(f"gather_fisher: labels is {labels!r}; expected one of {LABELS}")
    if not isinstance(draws, int) or draws < 1:
        raise ValueError(f"gather_fisher: draws is {draws!r}; expected a whole number, at least 1")
    found = classifier_of(model)
    module = in_full_precision(copy.deepcopy(found.module).eval()).requires_grad_(False)
    classifier = replace(found, module=module)
    head = None if head is None else copy.deepcopy(head).to(classifier.device)
    sums = _Squares(classifier)
    generator = torch.Generator(classifier.device).manual_seed(seed)
    batches = batches_of(
        data, operation="gather_fisher", examples=examples, seed=seed, workers=workers
    )
    seen = 0
    for inputs, label in _singly(batches):
        wanted = label if labels == "given" else None
        if labels == "given" and label is None:
            raise ValueError("gather_fisher: labels='given', but the data have none")
        log_p = _log_probabilities(classifier, head, inputs)
        count = draws if labels == "sampled" else None
        sums.add(log_p, _classes(log_p.detach(), wanted, count, generator))
        seen += 1
    told = {"examples": seen, "labels": labels, "draws": draws, "seed": seed}
    return Statistics("fisher", sums.mean(seen), {**(settings or {}), **told})


class _Squares:
    """Running sums of squared gradients of what is edited in a model."""

    def __init__(self, classifier: Classifier) -> None:
        self._parameters = {
            name: value.requires_grad_(True)
            for name, value in classifier.module.named_parameters()
            if name.startswith(classifier.prefix) and value.is_floating_point()
        }
        self._sums = {name: torch.zeros_like(p) for name, p in self._parameters.items()}

    def add(self, log_p: Tensor, classes: Iterator[tuple[int, float]]) -> None:
        """Of one example's log probabilities [classes]: the squares for some y, with weights."""
        for y, weight in classes:
            grads = torch.autograd.grad(
                log_p[y], list(self._parameters.values()), retain_graph=True, allow_unused=True
            )
            for total, grad in zip(self._sums.values(), grads, strict=True):
                if grad is not None:
                    total.addcmul_(grad, grad, value=weight)

    def mean(self, count: int) -> dict[str, Tensor]:
        """Over so many examples, on the CPU."""
        return {name: (total / count).detach().cpu() for name, total in self._sums.items()}


def _singly(batches: Iterator[tuple[Any, Tensor | None]]) -> Iterator[tuple[Any, Tensor | None]]:
    for inputs, labels in batches:
        for i in range(size_of(inputs)):
            yield first_of(inputs, i, 1), None if labels is None else labels[i]


@torch.enable_grad()
def _log_probabilities(classifier: Classifier, head: nn.Module | None, inputs: Any) -> Tensor:
    """[classes] of one example."""
    logits = classifier.outputs(inputs, head)
    if logits.dim() != 2:
        raise ValueError(
            f"gather_fisher: the model gives {tuple(logits.shape)} for one example; expected "
            "logits (1, classes); pass a head, or a taujp.evaluate.Classifier whose predict "
            "returns them"
        )
    return logits[0].log_softmax(-1)


def _classes(
    log_p: Tensor, label: Tensor | None, draws: int | None, generator: torch.Generator
) -> Iterator[tuple[int, float]]:
    """The y whose gradients are squared, and their weights in the mean."""
    if label is not None:
        if not 0 <= int(label) < len(log_p):
            raise ValueError(
                f"gather_fisher: a label is {int(label)}; expected 0 to {len(log_p) - 1}, the "
                "model's classes"
            )
        yield int(label), 1.0
    elif draws is not None:
        drawn = torch.multinomial(log_p.exp(), draws, replacement=True, generator=generator)
        yield from ((y, 1.0 / draws) for y in drawn.tolist())
    else:
        yield from enumerate(log_p.exp().tolist())
