"""Inputs, with labels where there are any, from whatever holds them: for any classifier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from taujp.tangent.kronecker.gather import drawn_from

LABELS = ("labels", "label")


def batches_of(
    data: Iterable[Any] | Dataset[Any],
    *,
    operation: str,
    examples: int,
    seed: int,
    batch_size: int = 64,
    workers: int = 0,
) -> Iterator[tuple[Any, Tensor | None]]:
    """(inputs, labels [n] or None) of at most `examples` examples.

    data: a data set, of which that many are drawn at random; or batches, of which the first are
    taken. A batch is a tensor, (inputs, labels), or a mapping of tensors whose labels are called
    "labels" or "label". ValueError where not one example comes, or a batch is something else.
    """
    if not isinstance(examples, int) or examples < 1:
        raise ValueError(
            f"{operation}: examples is {examples!r}; expected a whole number, at least 1"
        )
    if isinstance(data, Dataset):
        data = DataLoader(drawn_from(data, examples, seed), batch_size, num_workers=workers)
    left = examples
    for batch in data:
        inputs, labels = split_batch(batch, operation)
        count = min(size_of(inputs), left)
        if count:
            yield first_of(inputs, 0, count), None if labels is None else labels[:count]
        left -= count
        if left == 0:
            return
    if left == examples:
        raise ValueError(
            f"{operation}: not one example came; expected at least one; a generator can be read "
            "only once"
        )


def split_batch(batch: Any, operation: str) -> tuple[Any, Tensor | None]:
    """A batch as (inputs, labels or None)."""
    if isinstance(batch, Mapping):
        labels = next((batch[name] for name in LABELS if name in batch), None)
        return {name: value for name, value in batch.items() if name not in LABELS}, labels
    if isinstance(batch, tuple | list) and len(batch) in (1, 2):
        batch, labels = (*batch, None)[:2]
        if isinstance(batch, Tensor | Mapping):
            return batch, labels
    if isinstance(batch, Tensor):
        return batch, None
    raise ValueError(
        f"{operation}: a batch is a {type(batch).__name__}; expected a tensor, (inputs, labels), "
        "or a mapping of tensors"
    )


def size_of(inputs: Any) -> int:
    """How many examples a batch has."""
    return len(next(iter(inputs.values())) if isinstance(inputs, Mapping) else inputs)


def first_of(inputs: Any, first: int, count: int) -> Any:
    """Examples [first, first + count) of a batch."""
    if isinstance(inputs, Mapping):
        return {name: value[first : first + count] for name, value in inputs.items()}
    return inputs[first : first + count]
