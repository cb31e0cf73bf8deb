"""Batches with as many rows of every environment, each a pure function of the seed and its step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from taujp.train.batches import drawn, endless_batches

ENVIRONMENT = 4  # what an environment's own seed is drawn for; batches.py has the other purposes


def environment_batches(
    environments: Mapping[str, Dataset[Any]],
    size: int,
    *,
    seed: int,
    start: int = 0,
    part: int = 0,
    parts: int = 1,
    workers: int = 0,
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(images, labels, index) of `size` rows, size / E of each of E environments without end.

    index: int64, the number of each row's environment; the rows of one come together, in the order
    of `environments`. Each environment is shuffled by a seed of its own and begins its next pass
    when it is through, whatever the others do, so small ones are seen more often; one with fewer
    rows than its share gives all it has. start, part, parts, workers: as of endless_batches.
    ValueError: no environment, an empty one, one of another shape, a size that E does not divide.
    """
    names = tuple(environments)
    _check(names, size)
    streams = [
        endless_batches(
            dataset,
            size // len(names),
            seed=drawn(seed, ENVIRONMENT, number),
            start=start,
            part=part,
            parts=parts,
            workers=workers,
            name=f"environment '{name}'",
        )
        for number, (name, dataset) in enumerate(environments.items())
    ]
    return (_joined(names, drawn_rows) for drawn_rows in zip(*streams, strict=True))


def _joined(
    names: tuple[str, ...], rows: tuple[tuple[Tensor, Tensor], ...]
) -> tuple[Tensor, Tensor, Tensor]:
    shapes = {name: tuple(images.shape[1:]) for name, (images, _) in zip(names, rows, strict=True)}
    if len(set(shapes.values())) > 1:
        raise ValueError(
            f"environment_batches: images have the shapes {shapes}; expected one and the same; "
            "give all environments the model's transform"
        )
    images, labels = (torch.cat(column) for column in zip(*rows, strict=True))
    sizes = torch.tensor([len(own) for _, own in rows])
    return images, labels.long(), torch.arange(len(names)).repeat_interleave(sizes)


def _check(names: tuple[str, ...], size: int) -> None:
    if not names:
        raise ValueError("environment_batches: there is no environment; expected at least one")
    if size < len(names) or size % len(names):
        raise ValueError(
            f"environment_batches: batches have {size} rows for {len(names)} environments; "
            f"expected a multiple of {len(names)}, so that each has as many; choose another batch "
            "size"
        )
