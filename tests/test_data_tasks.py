"""Tasks: what is registered is well formed, its splits are disjoint and reproducible."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
import torch

from taujp.data import ArrayImages, Splits, Task, all_tasks, cached, find_task, hold_out, task


def as_tensor(image):
    return torch.from_numpy(np.array(image)).float()


def loaded(name: str) -> Splits:
    if name == "animals" and importlib.util.find_spec("animal_mnist") is None:
        pytest.skip("the package animal_mnist is not installed")
    return find_task(name).splits(as_tensor)


def pixels(split) -> list[bytes]:
    return [image.numpy().tobytes() for image, _ in split]


@pytest.mark.parametrize("name", sorted(all_tasks()))
def test_labels_are_exactly_the_classes(name):
    splits = loaded(name)
    for split in (splits.train, splits.validation, splits.test):
        labels = {label for _, label in split}
        assert labels == set(range(len(find_task(name).classes)))


@pytest.mark.parametrize("name", ["animals", "digits"])
def test_no_image_is_in_two_splits(name):
    splits = loaded(name)
    train, validation, test = map(pixels, (splits.train, splits.validation, splits.test))
    assert not set(train) & set(validation)
    assert not set(test) & (set(train) | set(validation))


def test_splits_are_the_same_every_time():
    assert pixels(loaded("digits").validation) == pixels(loaded("digits").validation)


def images(count: int) -> ArrayImages:
    return ArrayImages(
        np.arange(count, dtype=np.uint8).repeat(4).reshape(count, 2, 2),
        np.arange(count) % 3,
        as_tensor,
    )


def test_hold_out_takes_a_tenth_and_loses_nothing():
    splits = hold_out(images(50), images(5))
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (45, 5, 5)
    assert sorted(pixels(splits.train) + pixels(splits.validation)) == sorted(pixels(images(50)))


def test_hold_out_of_too_few_images_says_so():
    with pytest.raises(ValueError, match="train has 9 images"):
        hold_out(images(9), images(5))


def test_cached_holds_what_the_dataset_gives():
    source = images(300)
    for (image, label), (kept, kept_label) in zip(source, cached(source), strict=False):
        assert torch.equal(image, kept)
        assert label == kept_label


def test_array_images_refuses_floats():
    with pytest.raises(ValueError, match="uint8"):
        ArrayImages(np.zeros((2, 4, 4)), np.zeros(2), as_tensor)


def test_a_decorated_loader_becomes_a_task():
    @task("test_only", classes=("a", "b"), templates=("{}",))
    def test_only(root, transform):
        return hold_out(images(20), images(3))

    assert isinstance(test_only, Task)
    assert find_task("test_only") is test_only
    assert len(test_only.splits(as_tensor).validation) == 2


@pytest.mark.parametrize(
    ("classes", "templates", "message"),
    [(("a", "a"), ("{}",), "twice"), ((), ("{}",), "classes"), (("a",), ("a photo",), "one '{}'")],
)
def test_a_malformed_task_is_refused(classes, templates, message):
    with pytest.raises(ValueError, match=message):
        Task("wrong", classes, templates, lambda root, transform: hold_out(images(20), images(2)))


def test_an_unknown_task_lists_the_known():
    with pytest.raises(KeyError, match="fashion"):
        find_task("fashions")
