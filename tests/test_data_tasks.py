"""Tasks: what is registered is well formed, its splits are disjoint and reproducible."""

from __future__ import annotations

import hashlib
import importlib.util

import numpy as np
import pytest
import torch

from taujp.data import ArrayImages, RawSplits, Splits, Task, all_tasks, cached, find_task, task
from taujp.data.class_index import ClassIndex
from taujp.data.transformed import Transformed

DEMO = ("animals", "digits", "fashion", "letters", "symbols")


def as_tensor(image):
    return torch.from_numpy(np.array(image)).float()


def loaded(name: str) -> Splits:
    if name == "animals" and importlib.util.find_spec("animal_mnist") is None:
        pytest.skip("the package animal_mnist is not installed")
    return find_task(name).splits(as_tensor)


def pixels(split) -> list[bytes]:
    return [image.numpy().tobytes() for image, _ in split]


@pytest.mark.parametrize("name", DEMO)
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


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("fashion", "c6560dc62bc4a12a"),
        ("letters", "2120b3a3ce0073fd"),
        ("symbols", "418e35063f1156e3"),
    ],
)
def test_the_demos_splits_stay_what_its_figures_were_made_with(name, digest):
    hashed = hashlib.sha256()
    images = find_task(name).images()
    for part in (images.train, images.validation, images.test):
        for index in range(len(part)):
            hashed.update(part.content(index) + bytes([part.label(index)]))
    assert hashed.hexdigest()[:16] == digest


def test_splits_are_the_same_every_time():
    assert pixels(loaded("digits").validation) == pixels(loaded("digits").validation)


def images(count: int) -> ArrayImages:
    return ArrayImages(
        np.arange(count, dtype=np.uint8).repeat(4).reshape(count, 2, 2), np.arange(count) % 3
    )


def contents(images) -> list[bytes]:
    return [images.content(index) for index in range(len(images))]


def test_a_tenth_is_held_out_and_nothing_lost():
    whole = RawSplits(images(50), None, images(5)).with_validation()
    assert (len(whole.train), len(whole.validation), len(whole.test)) == (45, 5, 5)
    assert sorted(contents(whole.train) + contents(whole.validation)) == contents(images(50))


def test_the_most_that_is_held_out_is_5000():
    many = ArrayImages(np.zeros((60_000, 1, 1), np.uint8), np.zeros(60_000, np.int64))
    assert len(RawSplits(many, None, many).with_validation().validation) == 5000


def test_validation_of_the_files_is_kept():
    whole = RawSplits(images(50), images(7), images(5)).with_validation()
    assert (len(whole.train), len(whole.validation)) == (50, 7)


def test_hold_out_of_too_few_images_says_so():
    with pytest.raises(ValueError, match="train has 9 images"):
        RawSplits(images(9), None, images(5)).with_validation()


def test_picked_images_are_those_picked():
    rest = RawSplits(images(50), None, images(5)).with_validation().train
    for index in (0, 7, 44):
        number = int(rest.name(index).removeprefix("array#"))
        assert rest.label(index) == number % 3
        assert np.asarray(rest.open(index))[0, 0] == number


def test_cached_holds_what_the_dataset_gives():
    source = Transformed(images(250), as_tensor)
    for (image, label), (kept, kept_label) in zip(source, cached(source), strict=False):
        assert torch.equal(image, kept)
        assert label == kept_label


def test_array_images_refuses_floats():
    with pytest.raises(ValueError, match="uint8"):
        ArrayImages(np.zeros((2, 4, 4)), np.zeros(2))


def test_a_decorated_loader_becomes_a_task():
    @task("test_only", classes=("a", "b"), templates=("{}",))
    def test_only(root):
        return RawSplits(images(20), None, images(3))

    assert isinstance(test_only, Task)
    assert find_task("test_only") is test_only
    assert len(test_only.splits(as_tensor).validation) == 2


@pytest.mark.parametrize(
    ("classes", "templates", "message"),
    [(("a", "a"), ("{}",), "twice"), ((), ("{}",), "classes"), (("a",), ("a photo",), "one '{}'")],
)
def test_a_malformed_task_is_refused(classes, templates, message):
    with pytest.raises(ValueError, match=message):
        Task("wrong", classes, templates, lambda root: RawSplits(images(20), None, images(2)))


def test_an_unknown_task_lists_the_known():
    with pytest.raises(KeyError, match="fashion"):
        find_task("fashions")


def test_two_classes_may_share_a_text_where_the_files_tell_them_apart():
    def layout(root):
        return RawSplits(images(20), None, images(3))

    same = ("missile", "missile")
    shared = Task("shared", same, ("{}",), layout, file_classes=("n1", "n2"))
    assert shared.class_index().find("n2") == 1
    assert shared.class_index().find("missile") is None
    with pytest.raises(ValueError, match="2 classes and 1 file_classes"):
        Task("uneven", ("a", "b"), ("{}",), layout, file_classes=("n1",))


def test_two_modules_cannot_register_one_name():
    def digits(root):
        raise AssertionError("not called")

    find_task("digits")
    with pytest.raises(ValueError, match=r"registered by taujp\.data\.tasks\.digits and again"):
        task("digits", classes=("a",))(digits)


def test_names_of_the_earlier_code_are_understood():
    assert find_task("SUN397") is find_task("sun397")


def test_every_shipped_task_is_registered():
    assert {*DEMO, "cars", "cifar100", "imagenet", "svhn"} <= set(all_tasks())


@pytest.mark.parametrize(
    ("found", "label"),
    [("SeaLake", 1), ("sea lake", 1), ("sea_lake", 1), ("Annual-Crop", 0), ("lake or sea", 1)],
)
def test_classes_are_found_by_any_spelling(found, label):
    eurosat = ClassIndex.of(("AnnualCrop", "SeaLake"), ("annual crop land", "lake or sea"))
    assert eurosat.find(found) == label
    assert eurosat.find("forest") is None


def test_exact_names_win_over_spellings():
    index = ClassIndex.of(("a+", "a-"))
    assert (index.find("a+"), index.find("a-"), index.find("a")) == (0, 1, None)
