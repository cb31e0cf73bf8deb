"""What a check reads, what it says of many faults, and what has changed since a data set was
prepared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from published_layouts.every import PUBLISHED
from small_layouts import small
from taujp.data import ArrayImages, RawSplits, Task
from taujp.data.check import check
from taujp.data.digest import data_digest
from taujp.data.faults import LISTED
from taujp.data.prepare import prepare


@pytest.fixture
def textures(tmp_path):
    PUBLISHED["dtd"].earlier(tmp_path)
    return tmp_path


def arrays(labels, classes=("a", "b"), seed=0) -> ArrayImages:
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), 4, 4), dtype=np.uint8)
    return ArrayImages(pixels, np.array(labels), f"array{seed}", classes)


def made_up(train: ArrayImages, test: ArrayImages) -> Task:
    return Task("made_up", ("a", "b"), ("{}",), lambda root: RawSplits(train, None, test))


def test_classes_that_the_files_name_in_another_order(tmp_path):
    task = made_up(arrays([0, 1] * 10, ("b", "a")), arrays([0, 1], seed=1))
    faults = check(task, tmp_path).faults
    assert [fault.found for fault in faults] == [
        "label 0 of train is 'b' here and 'a' in the task",
        "label 1 of train is 'a' here and 'b' in the task",
    ]


def test_labels_without_images_and_images_without_a_class(tmp_path):
    task = made_up(arrays([0] * 18 + [2] * 2), arrays([0, 1], seed=1))
    found = {fault.found for fault in check(task, tmp_path).faults}
    assert found == {
        "the class 'b' has no image in train",
        "label 2 of train is no class of the task",
    }


def test_a_quick_check_opens_no_image(textures):
    for path in (textures / "dtd" / "train").rglob("*.jpg"):
        path.write_bytes(b"")
    quick = check(small("dtd"), textures, quick=True)
    assert (quick.faults, quick.images_read) == ((), False)
    thorough = check(small("dtd"), textures, workers=3)
    assert thorough.images_read
    unreadable = [fault for fault in thorough.faults if "decoded" in fault.found]
    # 85 training images and 9 of validation: the first of each, and the count of the others
    assert len(unreadable) == LISTED + 9
    assert f"{85 - LISTED} more unreadable images" in str(thorough.faults[LISTED])


def test_threads_find_what_one_finds(textures):
    (textures / "dtd/val/grid/grid_0003.jpg").write_bytes(b"")
    assert check(small("dtd"), textures, workers=4) == check(small("dtd"), textures)


def test_a_changed_file_is_named_after_preparing(textures):
    image = next((prepare(small("dtd"), textures, files="copy").folder / "test/grid").iterdir())
    other = textures / "dtd" / "val" / "lined" / "lined_0003.jpg"
    image.write_bytes(other.read_bytes() + b"another file of the same picture")
    faults = check(replace(small("dtd")), textures).faults
    assert [(fault.file, fault.found) for fault in faults] == [
        (f"prepared/dtd/test/grid/{image.name}", "the file has changed since it was prepared")
    ]
    assert check(small("dtd"), textures, quick=True).faults == ()


def test_a_lost_or_added_file_is_found_by_a_quick_check(textures):
    folder = prepare(small("dtd"), textures, files="copy").folder
    (folder / "train" / "grid" / "added.jpg").write_bytes(b"")
    (fault,) = check(small("dtd"), textures, quick=True).faults
    assert fault.file == "prepared/dtd/train"
    assert "train has 86 images and had 85" in fault.found
    assert "--again" in fault.advice


def test_a_lost_manifest_is_a_fault(textures):
    (prepare(small("dtd"), textures).folder / "manifest.json").unlink()
    (fault,) = check(small("dtd"), textures, quick=True).faults
    assert fault.file == "prepared/dtd/manifest.json"


def test_the_digest_is_the_manifests_and_follows_the_images(textures):
    before = data_digest(small("dtd"), textures)
    assert before == data_digest(small("dtd"), textures, workers=3)
    made = prepare(small("dtd"), textures, files="copy")
    prepared = data_digest(small("dtd"), textures)
    assert prepared == made.manifest.digest
    next((made.folder / "test" / "grid").iterdir()).unlink()
    (made.folder / "test" / "grid" / "x.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match=r"not those of its manifest.*taujp data check dtd"):
        data_digest(small("dtd"), textures)


def test_the_digest_changes_with_a_pixel_a_label_or_the_order(tmp_path):
    def digest(train: ArrayImages, classes=("a", "b")) -> str:
        task = replace(made_up(train, arrays([0, 1], seed=1)), classes=classes)
        return data_digest(replace(task, file_classes=classes), tmp_path)

    labels = [0, 1] * 10
    other = arrays(labels)
    other.images[3, 0, 0] ^= 1
    digests = [
        digest(arrays(labels)),
        digest(arrays(labels)),
        digest(other),
        digest(arrays(labels[::-1])),
        digest(arrays(labels), ("a", "c")),
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 4
