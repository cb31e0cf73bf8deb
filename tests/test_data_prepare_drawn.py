"""Splits by published lists, and splits that the tool draws because there are none."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from small_layouts import file_names, fill, fill_with, parts
from taujp.data import find_task
from taujp.data.sources import eurosat, resisc45, sun397
from taujp.data.split_lists import draw

DRAWN_BY_SEED_0 = ["image37", "image38", "image48", "image53"]


def test_raw_and_earlier_sun397_are_the_same_splits(tmp_path):
    task, lists = find_task("sun397"), {"Training": [], "Testing": []}
    for scene in task.file_classes:
        images = fill(tmp_path / "SUN397" / scene, "sun", 4)
        lists["Training"] += [f"/{scene}/{image}" for image in images[:2]]
        lists["Testing"] += [f"/{scene}/{image}" for image in images[2:]]
        for split, some in (("train", images[:2]), ("val", images[2:])):
            fill_with(tmp_path / "sun397" / split / scene.replace("/", "_"), some)
    for name, lines in lists.items():
        (tmp_path / f"{name}_01.txt").write_text("\n".join(lines))
    raw, earlier = sun397.read(tmp_path, task, 0).with_validation(), task.images(tmp_path)
    assert [places(part) for part in parts(raw)] == [places(part) for part in parts(earlier)]


def places(part) -> list[tuple[int, str]]:
    return [(part.label(i), PurePosixPath(part.name(i)).name) for i in range(len(part))]


def test_eurosat_a_tenth_of_its_size_has_a_tenth_of_its_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(eurosat, "HELD_OUT", eurosat.HELD_OUT // 10)
    task, tens = find_task("eurosat"), (30, 30, 30, 25, 25, 20, 25, 30, 25, 30)
    for name, ten in zip(task.file_classes, tens, strict=True):
        fill(tmp_path / "2750" / name, name, 10 * ten)
    whole = eurosat.read(tmp_path, task, 0).with_validation()
    assert [10 * len(part) for part in parts(whole)] == list(task.counts)
    assert len({name for split in file_names(whole) for name in split}) == 2700


def test_resisc45_without_lists_a_tenth_of_its_size_has_a_tenth_of_its_counts(tmp_path):
    task = find_task("resisc45")
    for name in task.file_classes:
        fill(tmp_path / "NWPU-RESISC45" / name, name, 70)
    whole = resisc45.read(tmp_path, task, 0).with_validation()
    assert [10 * len(part) for part in parts(whole)] == list(task.counts)


def test_drawing_is_stable_and_disjoint():
    images = [f"image{number}" for number in range(100)]
    test, validation, rest = draw(images, (10, 20), seed=0)
    assert sorted(test + validation + rest) == sorted(images)
    assert (len(test), len(validation), len(rest)) == (10, 20, 70)
    assert test != draw(images, (10, 20), seed=1)[0]
    more = draw([*images[::-1], "one more"], (10, 20), seed=0)
    assert len(set(more[0]) - set(test)) <= 1  # the others stay where they are
    with pytest.raises(ValueError, match="110 of 100"):
        draw(images, (60, 50))


def test_drawing_is_the_same_for_ever():
    images = [f"image{number}" for number in range(100)]
    assert draw(images, (4,), seed=0)[0] == DRAWN_BY_SEED_0
