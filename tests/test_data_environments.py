"""Environments: test beds whose noise is what they say, and tasks divided into environments."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch
from PIL import Image

from taujp.data import ArrayImages, PickedImages, Task
from taujp.data.coloured_digits import coloured_digits, two_channels
from taujp.data.divided import by_column, by_folders, by_listing, divided
from taujp.data.environments import EnvironmentImages, EnvironmentTask
from taujp.data.hub_images import HubImages
from taujp.data.rotated_digits import rotated_digits
from taujp.data.structural_model import structural_model


@pytest.fixture(scope="module")
def coloured() -> EnvironmentTask:
    return coloured_digits()


def every_part(task: EnvironmentTask) -> dict[str, ArrayImages]:
    parts = {f"{name} test": images for name, images in task.test.items()}
    for name, part in task.environments.items():
        parts |= {f"{name} train": part.train, f"{name} validation": part.validation}
    return parts


def shapes(images: ArrayImages) -> set[bytes]:
    """The images without their colour."""
    return {image.tobytes() for image in images.images.max(-1)}


def test_colours_contradict_labels_as_often_as_the_name_says(coloured):
    for name, part in every_part(coloured).items():
        red = part.images[..., 0].any((1, 2))
        noise = float(name.split()[0].removeprefix("colour_"))
        deviation = 4 * np.sqrt(noise * (1 - noise) / len(part))
        assert np.mean(red != part.labels) == pytest.approx(noise, abs=deviation), name
        assert not part.images[red][..., 1:].any()
        assert not part.images[~red][..., [0, 2]].any()


def test_labels_of_the_colours_are_flipped_a_quarter_of_the_time(coloured):
    from sklearn.datasets import load_digits

    data = load_digits()
    shades = (data.images * (255 / 16)).round().astype(np.uint8)
    digit_of = {image.tobytes(): digit for image, digit in zip(shades, data.target, strict=True)}
    for part in every_part(coloured).values():
        small = np.array([digit_of[image.tobytes()] < 5 for image in part.images.max(-1)])
        assert np.mean(small != part.labels) == pytest.approx(0.25, abs=4 * 0.5 / len(part) ** 0.5)


def test_every_environment_has_digits_of_its_own(coloured):
    parts = every_part(coloured)
    own = {name: shapes(images) for name, images in parts.items()}
    tests = [name for name in own if name.endswith("test")]
    assert own[tests[0]] == own[tests[1]] == own[tests[2]]
    alone = [own[name] for name in own if not name.endswith("test")] + [own[tests[0]]]
    assert sum(map(len, alone)) == len(set.union(*alone)) == len(shapes_of_all())
    thirds = [len(own[f"{name} train"] | own[f"{name} validation"]) for name in coloured.names]
    assert all(abs(size - 1797 / 3) <= 2 for size in (*thirds, len(own[tests[0]])))


def shapes_of_all() -> set[bytes]:
    from sklearn.datasets import load_digits

    return {image.tobytes() for image in load_digits().images}


def test_the_noise_is_drawn_anew_for_every_draw(coloured):
    part = coloured.environments["colour_0.1"].train
    labels = part.labels.reshape(-1, 10)  # ten draws of an image come together
    assert np.mean(labels.min(1) != labels.max(1)) > 0.8


def test_a_seed_decides_everything():
    first, again, other = (coloured_digits(seed).test["colour_0.9"] for seed in (3, 3, 4))
    assert np.array_equal(first.images, again.images)
    assert np.array_equal(first.labels, again.labels)
    assert not np.array_equal(first.images, other.images)


def test_the_data_sets_go_through_the_transform(coloured):
    splits = coloured.splits(two_channels)
    assert list(splits.train) == list(coloured.names) == ["colour_0.1", "colour_0.2"]
    assert list(splits.test) == [*coloured.names, coloured.unseen]
    image, label = splits.test[coloured.unseen][0]
    assert image.shape == (2, 8, 8)
    assert image.dtype == torch.float32
    assert 0.9 < image.max() <= 1
    assert label in (0, 1)


def test_rotated_digits_are_turned():
    task = rotated_digits()
    assert task.unseen == "angle_75"
    assert len(task.names) == 4
    assert {len(part) for part in task.test.values()} == {359}
    straight, turned = task.test["angle_0"], task.test["angle_45"]
    assert straight.images.shape[1:] == (16, 16)
    again = np.asarray(Image.fromarray(straight.images[7]).rotate(45, Image.Resampling.BILINEAR))
    assert np.array_equal(turned.images[7], again)
    assert not np.array_equal(turned.images[7], straight.images[7])
    alone = [shape for part in task.environments.values() for shape in (part.train.images,)]
    assert len(np.unique(np.concatenate(alone), axis=0)) == sum(map(len, alone))


@pytest.mark.parametrize("vary", [False, True])
def test_causes_predict_alike_everywhere_and_effects_do_not(vary):
    model = structural_model(100_000, seed=1, causes_vary=vary)
    gaps, correlations = [], []
    for name, x in model.inputs.items():
        y, log_odds = model.labels[name].double(), x @ model.invariant
        near = (log_odds - 1).abs() < 0.5  # where the causes say as much everywhere
        gaps.append(float((log_odds.sigmoid() - y)[near].mean()))
        residual = (y - log_odds.sigmoid())[near]
        effects = x[near, 2:] @ mixing_of(x)
        correlations.append(float(torch.corrcoef(torch.stack([effects, residual]))[0, 1]))
    assert gaps == pytest.approx([0, 0, 0], abs=0.012)
    assert correlations[0] > correlations[1] + 0.05 > correlations[2] + 0.1


def mixing_of(x):
    """The direction [effects] in which the effects follow the causes."""
    found = torch.linalg.lstsq(x[:, :2].sum(1, keepdim=True), x[:, 2:]).solution[0]
    return found / found.norm()


def test_the_error_is_that_of_the_coefficients():
    for scrambled in (False, True):
        model = structural_model(10, scrambled=scrambled)
        assert model.error(model.invariant) == 0
        assert model.error(model.invariant + 2) == pytest.approx(4)
    with pytest.raises(ValueError, match=r"coefficients have the shape \(3,\)"):
        model.error(torch.zeros(3))
    with pytest.raises(ValueError, match="rows is 0"):
        structural_model(0)


def numbered(count: int) -> ArrayImages:
    values = np.arange(count, dtype=np.uint8)
    return ArrayImages(values.repeat(4).reshape(count, 2, 2), values % 3, "made")


def test_a_column_divides_a_hub_data_set():
    datasets = pytest.importorskip("datasets")
    hospitals = ["b", "a", "b", "c", "a", "b"]
    rows = datasets.Dataset.from_dict({"hospital": hospitals, "label": [0, 1, 0, 1, 0, 1]})
    images = HubImages(rows, "image", [0, 1, 0, 1, 0, 1], "train")
    found = by_column(images, "hospital")
    assert list(found) == ["a", "b", "c"]
    assert [found["b"].name(row) for row in range(3)] == ["train#0", "train#2", "train#5"]
    picked = by_column(PickedImages(images, [5, 4, 0]), "hospital")
    assert list(picked) == ["a", "b"]
    assert [picked["b"].name(row) for row in range(2)] == ["train#5", "train#0"]
    assert picked["a"].name(0) == "train#4"
    with pytest.raises(ValueError, match=r"no column 'ward'; expected one of .*hospital"):
        by_column(images, "ward")
    with pytest.raises(ValueError, match=r"csv:FILE:COLUMN"):
        by_column(numbered(3), "hospital")


def test_a_listing_divides_images_by_their_names(tmp_path):
    listing = tmp_path / "list.csv"
    with listing.open("w", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["file", "camera"])
        table.writerows((f"made#{row}", "day" if row % 2 else "night") for row in range(6))
    found = by_listing(numbered(6), listing, "camera")
    assert {name: len(part) for name, part in found.items()} == {"day": 3, "night": 3}
    assert [found["day"].name(row) for row in range(3)] == ["made#1", "made#3", "made#5"]
    with pytest.raises(ValueError, match=r"no row for 2 of 8 images, such as 'made#6'"):
        by_listing(numbered(8), listing, "camera")
    with pytest.raises(ValueError, match=r"columns \['file', 'camera'\]; expected 'place'"):
        by_listing(numbered(6), listing, "place")


def test_folders_are_environments_of_one_tasks_classes(tmp_path):
    for place, inner in (("photo", "."), ("sketch", "train")):
        for index, name in enumerate(("cat", "sea_dog")):
            folder = tmp_path / place / inner / name
            folder.mkdir(parents=True)
            for number in range(2 + index):
                Image.new("RGB", (4, 4)).save(folder / f"{number}.png")
    task = Task("pets", ("sea dog", "cat"), ("{}",), lambda root: None)
    found = by_folders(task, {"photo": tmp_path / "photo", "sketch": tmp_path / "sketch"})
    assert list(found) == ["photo", "sketch"]
    for images in found.values():
        labels = [images.label(row) for row in range(len(images))]
        assert labels == [1, 1, 0, 0, 0]
        assert all(images.open(row).size == (4, 4) for row in range(5))


def test_what_cannot_be_environments_is_named(coloured):
    with pytest.raises(ValueError, match="2 values for 3 images"):
        divided(numbered(3), ["a", "b"])
    part = EnvironmentImages(numbered(0), numbered(2))
    with pytest.raises(ValueError, match=r"'mine' has no training images in \['a'\]"):
        EnvironmentTask("mine", ("x",), ("{}",), {"a": part}, {}, "b")
    with pytest.raises(ValueError, match="has no environments"):
        EnvironmentTask("mine", ("x",), ("{}",), {}, {}, "b")
    whole = EnvironmentImages(numbered(2), numbered(2))
    with pytest.raises(ValueError, match="of the unseen 'a', which is none of them"):
        EnvironmentTask("mine", ("x",), ("{}",), {"a": whole}, {"a": numbered(2)}, "a")
