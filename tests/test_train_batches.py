"""Batches are functions of seed and step alone: shuffled, resumable, shared between ranks."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pytest
import torch
from torch.utils.data import Dataset, TensorDataset

from taujp.train import endless_batches


def numbered(count: int) -> TensorDataset:
    """Images and labels that say which they are."""
    numbers = torch.arange(count)
    return TensorDataset(numbers.float()[:, None], numbers)


def labels(batches, count: int) -> list[list[int]]:
    return [batch[1].tolist() for batch in itertools.islice(batches, count)]


def test_a_pass_has_every_image_at_most_once_and_drops_the_rest():
    batches = labels(endless_batches(numbered(23), 5, seed=0), 8)
    for start in (0, 4):
        assert len(set(itertools.chain(*batches[start : start + 4]))) == 20
    assert all(len(batch) == 5 for batch in batches)


def test_every_pass_is_shuffled_anew_and_every_seed_otherwise():
    batches = labels(endless_batches(numbered(20), 10, seed=0), 6)
    passes = [batches[index] + batches[index + 1] for index in (0, 2, 4)]
    assert all(sorted(one) == list(range(20)) for one in passes)
    assert len({tuple(one) for one in passes}) == 3
    assert labels(endless_batches(numbered(20), 10, seed=1), 6) != batches
    assert labels(endless_batches(numbered(20), 10, seed=0), 6) == batches


@pytest.mark.parametrize("start", [1, 4, 9])
def test_a_later_start_gives_the_same_batches(start):
    whole = labels(endless_batches(numbered(23), 5, seed=3), 14)
    assert (
        labels(endless_batches(numbered(23), 5, seed=3, start=start), 14 - start) == whole[start:]
    )


def test_parts_share_the_rows_of_each_batch():
    whole = labels(endless_batches(numbered(23), 6, seed=3), 9)
    parts = [
        labels(endless_batches(numbered(23), 6, seed=3, part=part, parts=3), 9) for part in range(3)
    ]
    for step, batch in enumerate(whole):
        assert [parts[row % 3][step][row // 3] for row in range(6)] == batch


class Noisy(Dataset):
    """Images whose transform draws from all three global generators."""

    def __len__(self) -> int:
        return 12

    def __getitem__(self, index: int):
        drawn = [torch.rand(()).item(), np.random.rand(), random.random()]
        return torch.tensor(drawn, dtype=torch.float64), index


def test_random_transforms_depend_on_seed_step_and_row_alone():
    def images(**options) -> list[torch.Tensor]:
        batches = endless_batches(Noisy(), 4, seed=7, **options)
        return [batch[0] for batch in itertools.islice(batches, 5)]

    whole = images()
    assert len({value for batch in whole for value in batch.flatten().tolist()}) == 5 * 4 * 3
    torch.testing.assert_close(images(start=2)[:3], whole[2:], rtol=0, atol=0)
    torch.testing.assert_close(
        images(part=1, parts=2), [batch[1::2] for batch in whole], rtol=0, atol=0
    )
    torch.testing.assert_close(images(workers=1), whole, rtol=0, atol=0)


def test_the_callers_random_numbers_are_left_alone():
    generators = (lambda: torch.rand(()).item(), np.random.rand, random.random)
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    expected = [draw() for draw in generators]
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    next(endless_batches(Noisy(), 4, seed=0))
    assert [draw() for draw in generators] == expected


def test_a_set_smaller_than_a_batch_gives_all_of_it():
    for batch in labels(endless_batches(numbered(3), 16, seed=0), 3):
        assert sorted(batch) == [0, 1, 2]


def test_what_cannot_be_batched_is_named():
    with pytest.raises(ValueError, match="control task 'side' has no images"):
        endless_batches(numbered(0), 4, seed=0, name="control task 'side'")
    with pytest.raises(ValueError, match=r"batches of 5 images .* for 2 ranks"):
        endless_batches(numbered(20), 5, seed=0, parts=2)
