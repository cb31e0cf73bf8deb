"""What is there already, what is not as published, and what is not there."""

from __future__ import annotations

import json

import pytest

from published_layouts.every import PUBLISHED
from small_layouts import small
from taujp.data import find_task
from taujp.data.prepare import prepare


def test_a_second_call_finds_what_the_first_made(tmp_path):
    PUBLISHED["dtd"].raw(tmp_path)
    first = prepare(small("dtd"), tmp_path)
    again = prepare(small("dtd"), tmp_path, source=tmp_path / "not looked at")
    assert (first.new, again.new) == (True, False)
    assert again.manifest == first.manifest


def test_what_was_made_with_another_seed_is_not_taken_for_it(tmp_path):
    PUBLISHED["eurosat"].raw(tmp_path, each=5)
    prepare(small("eurosat"), tmp_path, seed=0)
    with pytest.raises(ValueError, match=r"other seed .*--again"):
        prepare(small("eurosat"), tmp_path, seed=1)
    assert prepare(small("eurosat"), tmp_path, seed=1, again=True).manifest.seed == 1


def test_again_replaces_what_was_there(tmp_path):
    PUBLISHED["dtd"].raw(tmp_path)
    first = prepare(small("dtd"), tmp_path)
    (first.folder / "train" / "banded" / "stray.jpg").write_bytes(b"not of the data set")
    again = prepare(small("dtd"), tmp_path, again=True)
    assert again.new
    assert again.manifest == first.manifest
    assert not (first.folder / "train" / "banded" / "stray.jpg").exists()


def test_a_folder_without_a_manifest_is_not_taken_for_prepared(tmp_path):
    (tmp_path / "prepared" / "dtd").mkdir(parents=True)
    with pytest.raises(ValueError, match=r"no manifest.json.*--again"):
        prepare(small("dtd"), tmp_path)


@pytest.mark.parametrize("damage", ["{", '{"schema": "taujp.data/9"}', "changed by hand"])
def test_a_damaged_manifest_is_named(tmp_path, damage):
    PUBLISHED["dtd"].raw(tmp_path)
    path = prepare(small("dtd"), tmp_path).folder / "manifest.json"
    if damage == "changed by hand":
        content = json.loads(path.read_text())
        content["classes"] = content["classes"][::-1]
        damage = json.dumps(content)
    path.write_text(damage)
    with pytest.raises(ValueError, match=r"manifest.json.*--again"):
        prepare(small("dtd"), tmp_path)


def test_a_part_of_a_data_set_is_refused_and_nothing_made(tmp_path):
    PUBLISHED["dtd"].raw(tmp_path)
    with pytest.raises(ValueError, match=r"train has 85 images; the published split has 3384"):
        prepare(find_task("dtd"), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dtd"]
    assert len(prepare(find_task("dtd"), tmp_path, as_it_is=True).faults) == 3


def test_a_leaking_copy_of_dtd_is_refused(tmp_path):
    PUBLISHED["dtd"].earlier(tmp_path)
    (tmp_path / "dtd" / "val").rename(tmp_path / "dtd" / "was")
    (tmp_path / "dtd" / "val").symlink_to(tmp_path / "dtd" / "train")
    with pytest.raises(ValueError, match=r"85 of 94 images of test are in train \(85\)"):
        prepare(small("dtd"), tmp_path)


def test_what_to_download_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"Stanford Cars: .*cars_train.tgz.*stanford_cars"):
        prepare(find_task("cars"), tmp_path)
    assert list(tmp_path.iterdir()) == []
