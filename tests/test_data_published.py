"""The twelve tasks on small folders of the layouts that users of the earlier code have."""

from __future__ import annotations

import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.utils.data import random_split

from published_layouts.every import PUBLISHED
from published_layouts.pictures import label_of
from taujp.data import find_task
from taujp.data.splits import WholeSplits

NAMES = sorted(PUBLISHED)
# PROTOCOLS: classes, templates, images of train, validation and test, epochs.
FACTS = {
    "cars": (196, 8, (7330, 814, 8041), 35),
    "dtd": (47, 8, (3384, 376, 1880), 76),
    "eurosat": (10, 3, (21600, 2700, 2700), 12),
    "gtsrb": (43, 3, (23976, 2664, 12630), 11),
    "mnist": (10, 1, (55000, 5000, 10000), 5),
    "resisc45": (45, 18, (17010, 1890, 6300), 15),
    "sun397": (397, 2, (17865, 1985, 19850), 14),
    "svhn": (10, 1, (68257, 5000, 26032), 4),
    "imagenet": (1000, 80, (1276167, 5000, 50000), None),
    "stl10": (10, 2, (4500, 500, 8000), None),
    "cifar10": (10, 18, (45000, 5000, 10000), None),
    "cifar100": (100, 18, (45000, 5000, 10000), None),
}


@pytest.fixture(scope="module", params=NAMES)
def loaded(request, tmp_path_factory):
    """Every task's name, root and images; written once."""
    root = tmp_path_factory.mktemp(request.param)
    PUBLISHED[request.param].earlier(root)
    return request.param, root, find_task(request.param).images(root)


def parts(images: WholeSplits):
    return images.train, images.validation, images.test


@pytest.mark.parametrize("name", NAMES)
def test_a_task_is_as_published(name):
    task = find_task(name)
    classes, templates, counts, epochs = FACTS[name]
    assert (len(task.classes), len(task.templates)) == (classes, templates)
    assert (task.counts, task.epochs) == (counts, epochs)
    assert len(set(task.templates)) == templates


def test_counts(loaded):
    name, _, images = loaded
    assert tuple(map(len, parts(images))) == PUBLISHED[name].counts


def test_every_image_shows_its_label(loaded):
    name, _, images = loaded
    for part in parts(images):
        some = range(0, len(part), 1 + len(part) // 200)
        assert [label_of(part.open(i)) for i in some] == [part.label(i) for i in some], name


def test_every_class_is_in_test_and_named_by_the_files(loaded):
    name, _, images = loaded
    task = find_task(name)
    labels = {images.test.label(index) for index in range(len(images.test))}
    assert labels == set(range(len(task.classes)))
    index = task.class_index()
    for part in parts(images):
        assert part.classes is not None
        assert [index.find(text) for text in part.classes] == list(range(len(task.classes)))


def test_no_image_is_in_two_splits(loaded):
    _, _, images = loaded
    contents = [{part.content(i) for i in range(len(part))} for part in parts(images)]
    names = [{part.name(i) for i in range(len(part))} for part in parts(images)]
    for sets in (contents, names):
        assert sum(map(len, sets)) == sum(map(len, parts(images)))
        assert not any(one & other for one, other in pairwise([*sets, sets[0]]))


def test_the_order_is_the_same_every_time(loaded):
    name, root, images = loaded
    for part, again in zip(parts(images), parts(find_task(name).images(root)), strict=True):
        assert [part.name(i) for i in range(len(part))] == [again.name(i) for i in range(len(part))]


def test_names_are_relative_files(loaded):
    _, root, images = loaded
    for part in parts(images):
        file, _, _ = part.name(0).partition("#")
        assert not file.startswith("/")
        assert (root / file).parent.is_dir()


def test_transforms_are_applied(loaded):
    name, root, images = loaded
    splits = find_task(name).splits(lambda image: ("seen", image.size), root=root)
    (seen, size), label = splits.test[0]
    assert (seen, size, label) == ("seen", images.test.open(0).size, images.test.label(0))


def test_workers_may_be_given_the_images(loaded):
    """What a data loader's processes get is pickled where they are not forked."""
    _, _, images = loaded
    for part in parts(images):
        copy = pickle.loads(pickle.dumps(part))
        assert (len(copy), copy.name(0), copy.label(0)) == (len(part), part.name(0), part.label(0))
        assert copy.content(0) == part.content(0)


@pytest.mark.parametrize(("name", "folder"), [("dtd", "dtd/train"), ("sun397", "sun397/train")])
def test_validation_is_that_of_the_earlier_code(name, folder, tmp_path):
    """torchvision's ImageFolder and random_split with seed 0, as the papers' code calls them."""
    from torchvision.datasets import ImageFolder

    PUBLISHED[name].earlier(tmp_path)
    theirs = ImageFolder(str(tmp_path / folder))
    held_out = int(len(theirs) * 0.1)
    lengths = [len(theirs) - held_out, held_out]
    _, validation = random_split(theirs, lengths, generator=torch.Generator().manual_seed(0))
    expected = [theirs.samples[index][0] for index in validation.indices]
    ours = find_task(name).images(tmp_path).validation
    assert [str(tmp_path / ours.name(i)) for i in range(len(ours))] == expected


def test_the_first_training_image_of_mnist_is_that_of_the_earlier_code():
    """Its code asserts that random_split of 60,000 images begins with number 36044."""
    from taujp.data.arrays import ArrayImages
    from taujp.data.splits import hold_out

    images = ArrayImages(np.zeros((60000, 1, 1), np.uint8), np.zeros(60000, np.int64))
    train, _ = hold_out(images)
    assert train.name(0) == "array#36044"


@pytest.mark.parametrize("name", ["cifar10", "mnist", "stl10", "svhn"])
def test_pixels_are_torchvisions(name, tmp_path, monkeypatch):
    """The same images and labels as torchvision reads from the same files."""
    from torchvision import datasets

    PUBLISHED[name].earlier(tmp_path)
    for kind in (datasets.CIFAR10, datasets.STL10):
        monkeypatch.setattr(kind, "_check_integrity", lambda self: True)
    monkeypatch.setattr("torchvision.datasets.svhn.check_integrity", lambda *args: True)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda *args: True)
    theirs = {
        "cifar10": lambda: datasets.CIFAR10(tmp_path, train=False),
        "mnist": lambda: datasets.MNIST(tmp_path, train=False),
        "stl10": lambda: datasets.STL10(tmp_path / "stl10", split="test"),
        "svhn": lambda: datasets.SVHN(tmp_path / "svhn", split="test"),
    }[name]()
    ours = find_task(name).images(tmp_path).test
    assert len(ours) == len(theirs)
    for index, (image, label) in enumerate(theirs):
        assert ours.label(index) == label
        assert np.array_equal(np.asarray(ours.open(index)), np.asarray(image))
