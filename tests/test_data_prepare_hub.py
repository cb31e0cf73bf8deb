"""Copies as the Hugging Face hub has them become the documented splits, by the classes' names."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from published_layouts.pictures import label_of, pixels
from small_layouts import parts, small
from taujp.data.prepare import prepare

datasets = pytest.importorskip("datasets")


def encoded(label: int, key: str, kind: str) -> dict[str, object]:
    stream = io.BytesIO()
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    Image.fromarray(pixels(label, key)).save(stream, kind, **options)
    return {"bytes": stream.getvalue(), "path": None}


def copy_of(names: list[str], shown: list[int], *, each=10, kind="JPEG", splits=("train", "test")):
    """A hub copy whose label k is called names[k] and shows the task's label shown[k]."""
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    )
    made = {}
    for split in splits:
        labels = list(range(len(names))) * each
        images = [encoded(shown[k], f"{split}{row}", kind) for row, k in enumerate(labels)]
        made[split] = datasets.Dataset.from_dict(
            {"image": images, "label": labels}, features=features
        )
    return datasets.DatasetDict(made)


def eurosat_texts() -> list[str]:
    return list(small("eurosat").classes)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_labels_go_by_names_and_encoded_images_are_kept(tmp_path, kind):
    names, shown = eurosat_texts()[::-1], list(range(10))[::-1]
    copy_of(names, shown, kind=kind).save_to_disk(str(tmp_path / "copy"))
    made = prepare(small("eurosat"), tmp_path / "root", source=f"hub:{tmp_path / 'copy'}")
    assert made.manifest.source == "a hub copy"
    images = small("eurosat").images(tmp_path / "root")
    assert tuple(map(len, parts(images))) == (90, 10, 100)
    for part in parts(images):
        assert [label_of(part.open(i)) for i in range(len(part))] == [
            part.label(i) for i in range(len(part))
        ]
    ending = {"JPEG": ".jpg", "PNG": ".png", "BMP": ".png"}[kind]
    files = [path for path in made.folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {ending, ".json"}
    if kind == "JPEG":
        row = encoded(0, "test9", "JPEG")["bytes"]  # the last name shows class 0
        assert row in [path.read_bytes() for path in files]


def test_a_folder_of_parquet_files_is_a_copy_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    splits = ("train", "validation", "test")
    made = copy_of(eurosat_texts(), list(range(10)), each=2, splits=splits)
    (tmp_path / "copy" / "data").mkdir(parents=True)
    for split in splits:
        made[split].to_parquet(str(tmp_path / "copy" / "data" / f"{split}-00000-of-00001.parquet"))
    prepared = prepare(small("eurosat"), tmp_path / "root", source=f"hub:{tmp_path / 'copy'}")
    assert [split.count for split in prepared.manifest.splits.values()] == [20, 20, 20]


def test_the_same_copy_gives_the_same_manifest(tmp_path):
    copy_of(eurosat_texts(), list(range(10))).save_to_disk(str(tmp_path / "copy"))
    digests = {
        prepare(
            small("eurosat"), tmp_path / root, source=f"hub:{tmp_path / 'copy'}"
        ).manifest.digest
        for root in ("a", "b")
    }
    assert len(digests) == 1


@pytest.mark.parametrize("change", ["another class", "a class less"])
def test_classes_that_are_not_the_tasks_are_named(tmp_path, change):
    names = eurosat_texts()
    names = [*names[:3], "motorway", *names[4:]] if change == "another class" else names[:-1]
    copy_of(names, list(range(len(names)))).save_to_disk(str(tmp_path / "copy"))
    with pytest.raises(ValueError, match="motorway" if "another" in change else "has 9 classes"):
        prepare(small("eurosat"), tmp_path / "root", source=f"hub:{tmp_path / 'copy'}")
    assert list((tmp_path / "root").iterdir()) == []


def test_a_task_without_a_usual_copy_says_so(tmp_path):
    with pytest.raises(ValueError, match="no usual copy on the hub"):
        prepare(small("digits"), tmp_path, source="hub")


def test_the_pixels_of_a_copy_are_those_of_its_rows(tmp_path):
    copy_of(eurosat_texts(), list(range(10)), kind="PNG").save_to_disk(str(tmp_path / "copy"))
    prepare(small("eurosat"), tmp_path / "root", source=f"hub:{tmp_path / 'copy'}")
    test = small("eurosat").images(tmp_path / "root").test
    rows = {int(test.name(i).split("-")[-1].split(".")[0]): i for i in range(len(test))}
    for row in (0, 57, 99):
        assert np.array_equal(test.open(rows[row]), pixels(row % 10, f"test{row}"))
