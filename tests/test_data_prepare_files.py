"""How images get into the prepared folders: linked, copied, or written as PNG."""

from __future__ import annotations

import numpy as np
import pytest

from published_layouts.every import PUBLISHED
from small_layouts import small
from taujp.data import ArrayImages, PickedImages, RawSplits, Task
from taujp.data.check import check
from taujp.data.prepare import prepare


@pytest.mark.parametrize(
    ("files", "links"),
    [("hard", 2), ("copy", 1), ("symbolic", 1)],
    ids=["hard", "copy", "symbolic"],
)
def test_files_are_linked_or_copied(tmp_path, files, links):
    PUBLISHED["dtd"].earlier(tmp_path / "source")
    made = prepare(small("dtd"), tmp_path / "root", source=tmp_path / "source", files=files)
    image = next((made.folder / "test" / "grid").iterdir())
    original = tmp_path / "source" / "dtd" / "val" / "grid" / image.name
    assert image.stat().st_nlink == links
    assert image.is_symlink() == (files == "symbolic")
    assert (image.resolve() == original) == (files == "symbolic")
    assert image.read_bytes() == original.read_bytes()


def test_two_files_of_one_name_in_a_class_are_both_kept(tmp_path):
    PUBLISHED["dtd"].earlier(tmp_path)
    for number in (1, 2):
        inner = tmp_path / "dtd" / "train" / "banded" / f"part{number}"
        inner.mkdir()
        (inner / "same.jpg").write_bytes(b"image %d" % number)
    made = prepare(small("dtd"), tmp_path)
    count = sum(made.manifest.splits[split].count for split in ("train", "validation"))
    assert count == 2 * 47 + 2


def test_grey_digits_keep_their_pixels(tmp_path):
    PUBLISHED["mnist"].earlier(tmp_path)
    before = small("mnist").images(tmp_path).test
    prepare(small("mnist"), tmp_path)
    after = small("mnist").images(tmp_path).test
    rows = {after.name(i).split("-")[-1]: after.open(i).convert("L") for i in range(len(after))}
    for index in range(len(before)):
        assert np.array_equal(before.open(index), rows[f"{index:06d}.png"])


def test_images_in_memory_can_be_prepared(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    images = ArrayImages(pixels, np.arange(40) % 2, "made up")
    splits = RawSplits(PickedImages(images, range(30)), None, PickedImages(images, range(30, 40)))
    task = Task("made_up", ("even", "odd"), ("{}",), lambda root: splits)
    assert prepare(task, tmp_path).manifest.source == "its layout"
    assert check(task, tmp_path).counts == {"train": 27, "validation": 3, "test": 10}
    after = task.images(tmp_path).test
    assert np.array_equal(np.asarray(after.open(0)), pixels[30])
