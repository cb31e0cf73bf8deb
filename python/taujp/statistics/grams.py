"""Gathers Gram matrices: what the inputs of each linear layer are like on a task's data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from taujp.evaluate.classifier import Classifier, classifier_of, placed
from taujp.evaluate.data_pass import evaluating
from taujp.statistics.batches import batches_of
from taujp.statistics.linear_inputs import LinearInputs
from taujp.statistics.stored import Statistics
from taujp.tangent.math_attention import no_fast_path

DTYPES = (torch.float32, torch.float64)


def gather_grams(
    model: Any,
    data: Any,
    *,
    examples: int = 256,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    batch_size: int = 64,
    workers: int = 0,
    settings: Mapping[str, Any] | None = None,
) -> Statistics:
    """What `merge_many(method="regmean", grams=[...])` needs of one fine-tuned model.

    G = mean of x x^T, [in, in], over the inputs x (one a token) of every linear layer: Linear,
    transformers' Conv1D, and the projections inside nn.MultiheadAttention, whose packed q, k and v
    share one. One forward pass; 4 in^2 bytes a layer. Tokens of padding count, as in the authors'
    code: batch texts of one length where that matters. Weights that are used for anything else
    too (an embedding tied to the head) get no G, so that regmean averages them.

    Args:
      model: the fine-tuned one: of open_clip (its image encoder), of transformers, any module, or
        a taujp.evaluate.Classifier with a predict of its own.
      data: its task's data, unlabelled: a data set, of which `examples` are drawn at random, or
        batches, of which the first are taken: tensors, (inputs, labels), or mappings of tensors.
      dtype: of the products and sums. settings: kept with the result, such as model and task.

    Raises: ValueError where there are no data, or no linear layer. Source: Jin et al. 2023,
    arXiv 2212.09849; the mean, as there, so that tasks with more tokens weigh no more.
    """
    classifier = classifier_of(model)
    watch = watched(classifier, dtype)
    batches = batches_of(
        data,
        operation="gather_grams",
        examples=examples,
        seed=seed,
        batch_size=batch_size,
        workers=workers,
    )
    seen = 0
    weight = next(classifier.module.parameters())
    with torch.no_grad(), evaluating(classifier.module), no_fast_path():
        for inputs, _ in batches:
            with watch:
                found = classifier.predict(classifier.module, placed(inputs, weight))
            seen += len(found)
    tensors, rows = grams_of(watch)
    how = {"examples": seen, "rows": rows, **watch.settings}
    return Statistics("grams", tensors, {**(settings or {}), **how})


def watched(
    classifier: Classifier, dtype: torch.dtype, only: set[str] | None = None
) -> LinearInputs:
    """A watcher of all linear maps of what is edited in a model, or of some of their weights."""
    if dtype not in DTYPES:
        raise ValueError(f"grams: dtype is {dtype}; expected torch.float32 or torch.float64")
    parameters = dict(classifier.module.named_parameters())
    inside = {name for name in parameters if name.startswith(classifier.prefix)}
    return LinearInputs(parameters, inside if only is None else only, dtype)


def grams_of(watch: LinearInputs) -> tuple[dict[str, Tensor], dict[str, int]]:
    """The means, on the CPU, and of how many inputs each is."""
    names = [name for name in watch.sums if name not in watch.elsewhere]
    if not names:
        raise ValueError(
            "gather_grams: no linear layer ran whose weight is used for that alone; expected at "
            "least one; regmean has nothing to work with here: use average"
        )
    rows = {name: watch.rows[name] for name in names}
    return {name: (watch.sums[name] / rows[name]).cpu() for name in names}, rows
