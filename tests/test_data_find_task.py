"""Tasks of the user's own: folders of images, Hugging Face data sets, and small Python files."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from published_layouts.pictures import label_of, pixels, write_picture
from taujp.data import all_tasks, find_task, folder_task, hub_task
from taujp.data.layouts.prepared import prepared_folder

NAMES = ("red_fox", "Arctic hare", "b-badger")


def as_tensor(image):
    return torch.from_numpy(np.array(image)).float()


def write_folder(folder, splits=("train", "test"), each=6):
    """Labels count along the sorted names, as a folder task's do."""
    for split in splits:
        for label, name in enumerate(sorted(NAMES)):
            for number in range(each):
                write_picture(folder / split / name / f"{split}{number}.png", label)
    return folder


def shows_its_labels(images) -> bool:
    return all(label_of(images.open(i)) == images.label(i) for i in range(len(images)))


def test_a_folder_is_a_task(tmp_path):
    write_folder(tmp_path / "wildlife")
    task = find_task(f"folder:{tmp_path / 'wildlife'}")
    assert (task.name, task.templates) == ("wildlife", ("a photo of a {}",))
    assert task.classes == ("Arctic hare", "b-badger", "red fox")
    images = task.images()
    assert (len(images.train), len(images.validation), len(images.test)) == (17, 1, 18)
    assert all(map(shows_its_labels, (images.train, images.validation, images.test)))
    picture, label = task.splits(as_tensor).test[17]
    assert picture.shape == (16, 16, 3)
    assert label == 2


@pytest.mark.parametrize("name", ["validation", "val"])
def test_a_folders_validation_is_used(tmp_path, name):
    write_folder(tmp_path, ("train", name, "test"), each=2)
    images = find_task(f"folder:{tmp_path}").images()
    assert {images.validation.name(i).split("/")[0] for i in range(6)} == {name}
    assert len(images.train) == 6


def test_val_alone_is_the_test_data(tmp_path):
    write_folder(tmp_path, ("train", "val"))
    images = find_task(f"folder:{tmp_path}").images()
    assert images.test.name(0).startswith("val/")
    assert images.validation.name(0).startswith("train/")


def test_hidden_folders_are_no_classes(tmp_path):
    write_picture(write_folder(tmp_path) / "train" / ".trash" / "a.png", 0)
    assert len(find_task(f"folder:{tmp_path}").images().train) == 17


def test_a_folder_without_test_images_says_so(tmp_path):
    task = folder_task(write_folder(tmp_path, ("train",)))
    with pytest.raises(FileNotFoundError, match="has no folder 'test'"):
        task.images()


def test_a_folder_without_classes_says_so(tmp_path):
    (tmp_path / "train").mkdir()
    with pytest.raises(ValueError, match="expected one a class"):
        find_task(f"folder:{tmp_path}")


def test_a_class_that_only_test_has_is_named(tmp_path):
    write_picture(write_folder(tmp_path) / "test" / "otter" / "a.png", 0)
    with pytest.raises(ValueError, match=r"\['otter'\] are no class"):
        find_task(f"folder:{tmp_path}").images()


TASK_FILE = """
from taujp.data import RawSplits, task
from taujp.data.layouts.class_folders import class_folders

NAMES = ("red_fox", "Arctic hare", "b-badger")

@task("{name}", classes=("a fox", "a hare", "a badger"), file_classes=NAMES, epochs=3)
def animals(root):
    train = class_folders(root, "train", NAMES)
    return RawSplits(train, None, class_folders(root, "test", NAMES))
"""


def test_a_small_file_is_a_task(tmp_path):
    write_folder(tmp_path)
    (tmp_path / "mine.py").write_text(TASK_FILE.format(name="mine"))
    task = find_task(str(tmp_path / "mine.py"))
    assert (task.name, task.epochs) == ("mine", 3)
    images = task.images(tmp_path).test
    shown = {label_of(images.open(i)): images.label(i) for i in range(len(images))}
    assert shown == {0: 1, 1: 2, 2: 0}  # the task's own order, not the folders'
    assert find_task(f"{tmp_path / 'mine.py'}:mine") is task
    assert all_tasks()["mine"] is task


def test_a_file_of_two_tasks_needs_a_name(tmp_path):
    both = TASK_FILE.format(name="one_of_two") + TASK_FILE.format(name="two_of_two")
    (tmp_path / "both.py").write_text(both)
    with pytest.raises(ValueError, match=r"\['one_of_two', 'two_of_two'\]; expected one task"):
        find_task(str(tmp_path / "both.py"))
    assert find_task(f"{tmp_path / 'both.py'}:two_of_two").name == "two_of_two"


def test_a_file_that_fails_is_run_again_when_mended(tmp_path):
    path = tmp_path / "broken.py"
    path.write_text("from taujp.data import no_such_thing")
    with pytest.raises(ImportError, match="no_such_thing"):
        find_task(str(path))
    path.write_text(TASK_FILE.format(name="mended"))
    assert find_task(str(path)).name == "mended"


def test_a_file_without_a_task_says_what_to_write(tmp_path):
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(ValueError, match="decorate a layout with @taujp"):
        find_task(str(tmp_path / "empty.py"))
    with pytest.raises(FileNotFoundError, match="there is no file"):
        find_task(str(tmp_path / "none.py"))


def encoded(label, key):
    file = io.BytesIO()
    Image.fromarray(pixels(label, key)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Writes a data set of Hugging Face's library, as saved or as a repository of parquet files."""
    datasets = pytest.importorskip("datasets", reason="the package datasets is not installed")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def write(splits, *, label="label", kind=None, saved=True, image="image"):
        features = datasets.Features(
            {image: datasets.Image(), label: kind or datasets.ClassLabel(names=list(NAMES))}
        )
        made = {}
        for split, labels in splits.items():
            shown = [NAMES.index(x) if isinstance(x, str) else max(x, 0) for x in labels]
            images = [encoded(x, f"{split}{i}") for i, x in enumerate(shown)]
            rows = {image: images, label: labels}
            made[split] = datasets.Dataset.from_dict(rows, features=features)
        folder = tmp_path / "wild"
        if saved:
            datasets.DatasetDict(made).save_to_disk(str(folder))
        else:
            for split, rows in made.items():
                rows.to_parquet(str(folder / "data" / f"{split}-00000-of-00001.parquet"))
        return folder

    return write


@pytest.mark.parametrize("saved", [True, False])
def test_a_hub_copy_is_a_task(hub, saved):
    folder = hub({"train": [0, 1, 2, 1] * 5, "test": [2, 0, 1]}, saved=saved)
    task = find_task(f"hub:{folder}")
    assert (task.name, task.classes) == ("wild", ("red fox", "Arctic hare", "b-badger"))
    images = task.images()
    assert (len(images.train), len(images.validation), len(images.test)) == (18, 2, 3)
    assert all(map(shows_its_labels, (images.train, images.validation, images.test)))
    assert images.test.name(2).endswith("test#2")
    assert len({images.train.content(i) for i in range(18)}) == 18
    picture, label = task.splits(as_tensor).test[0]
    assert picture.shape == (16, 16, 3)
    assert label == 2


def test_a_configuration_of_a_hub_copy(hub):
    folder = hub({"train": [0, 1] * 10, "test": [2], "unused": [1]}, saved=False)
    (folder / "README.md").write_text(
        "---\nconfigs:\n"
        "- config_name: whole\n  data_files:\n"
        "  - {split: train, path: data/train-*}\n  - {split: test, path: data/test-*}\n"
        "- config_name: other\n  data_files:\n"
        "  - {split: train, path: data/train-*}\n  - {split: test, path: data/unused-*}\n---\n"
    )
    for configuration, label in (("whole", 2), ("other", 1)):
        task = find_task(f"hub:{folder}:{configuration}")
        assert task.name == "wild"
        assert task.images().test.label(0) == label


def test_test_images_without_labels_do_not_count(hub):
    folder = hub({"train": [0, 1] * 10, "validation": [2, 1], "test": [-1, -1, -1]})
    images = hub_task(folder).images()
    assert (len(images.test), images.test.name(0).split("/")[-1]) == (2, "validation#0")


def test_labels_of_text(hub):
    from datasets import Value

    folder = hub({"train": [*NAMES] * 4, "test": [NAMES[1]]}, kind=Value("string"))
    task = hub_task(folder)
    assert task.file_classes == tuple(sorted(NAMES))
    assert task.images().test.label(0) == sorted(NAMES).index(NAMES[1])


def test_labels_without_names_are_refused(hub):
    from datasets import Value

    folder = hub({"train": [0, 1] * 10, "test": [0]}, kind=Value("int64"))
    with pytest.raises(ValueError, match="have no names"):
        hub_task(folder)


def test_a_column_of_another_name_is_asked_for(hub):
    from datasets import Value

    folder = hub({"train": [*NAMES] * 4, "test": [NAMES[1]]}, label="animal", kind=Value("string"))
    with pytest.raises(ValueError, match=r"has the columns \['image', 'animal'\]"):
        hub_task(folder)
    assert len(hub_task(folder, label="animal").classes) == 3
    with pytest.raises(ValueError, match="expected 'image' to be images and 'beast' labels"):
        hub_task(folder, label="beast")


@pytest.mark.parametrize(
    ("splits", "what"),
    [({"test": [0]}, "training"), ({"train": [0], "test": [-1]}, "testing")],
)
def test_a_hub_copy_without_labelled_images_says_so(hub, splits, what):
    with pytest.raises(ValueError, match=f"no labelled images for {what} in its splits"):
        hub_task(hub(splits))


def test_a_training_image_without_a_label_is_refused(hub):
    with pytest.raises(ValueError, match="no labelled images for training"):
        hub_task(hub({"train": [0, -1], "test": [1]}))


def test_a_text_that_only_test_has_is_named(hub):
    from datasets import Value

    folder = hub({"train": [NAMES[0]] * 10, "test": [NAMES[1]]}, kind=Value("string"))
    with pytest.raises(ValueError, match="'Arctic hare'"):
        hub_task(folder)


def test_labels_of_a_hub_copy_follow_a_task_by_name(hub):
    from taujp.data.class_index import ClassIndex
    from taujp.data.hub_images import in_order_of

    train = hub_task(hub({"train": [0, 1, 2] * 4, "test": [0]})).raw().train
    index = ClassIndex.of(("arctic-hare", "B Badger", "Red Fox"))
    ordered = in_order_of(train, index, 3)
    assert [ordered.label(i) for i in range(3)] == [2, 0, 1]
    assert ordered.classes == ("Arctic hare", "b-badger", "red_fox")
    with pytest.raises(ValueError, match="'red_fox'"):
        in_order_of(train, ClassIndex.of(("arctic-hare", "B Badger", "otter")), 3)


def test_a_broken_image_of_a_hub_copy_is_named(hub):
    from dataclasses import replace

    from taujp.data import UnreadableImage

    train = hub_task(hub({"train": [0] * 10, "test": [0]})).raw().train
    broken = replace(train, rows=[{"image": {"bytes": b"\x89PNG nothing", "path": None}}])
    with pytest.raises(UnreadableImage, match="train#0"):
        broken.open(0)


def test_what_was_prepared_is_preferred(tmp_path):
    source = write_folder(tmp_path / "wildlife")
    task = find_task(f"folder:{source}")
    place = prepared_folder(tmp_path, "wildlife")
    write_folder(place, ("train", "test"), each=1)
    write_picture(place / "validation" / "red_fox" / "a.png", 2)
    images = task.images(tmp_path)
    assert (len(images.train), len(images.validation), len(images.test)) == (3, 1, 3)
    assert images.validation.name(0) == "prepared/wildlife/validation/red_fox/a.png"
    assert images.validation.label(0) == 2


def test_tasks_are_found_without_torch():
    """`taujp data list` and the command line's start need no torch."""
    program = (
        "import sys; from taujp.data import all_tasks; all_tasks(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr
