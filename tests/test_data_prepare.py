"""Every published layout, raw and as the earlier code has it, becomes the documented splits."""

from __future__ import annotations

import pytest

from published_layouts.every import PUBLISHED
from published_layouts.pictures import label_of
from small_layouts import file_names, parts, small
from taujp.data.check import check
from taujp.data.prepare import prepare

SPLITS = ("train", "validation", "test")
# ImageNet's thousand classes take seconds; its class folders are read as the others' are
LAYOUTS = [(name, kind) for name in sorted(PUBLISHED) for kind in ("raw", "earlier")]
LAYOUTS.remove(("imagenet", "earlier"))
DRAWN = {"eurosat": (120, 40, 40)}  # of 20 images a class, a fifth each
NAMED = [(name, "earlier") for name in ("cars", "dtd", "gtsrb", "resisc45")]


@pytest.fixture(scope="module", params=LAYOUTS, ids="-".join)
def prepared(request, tmp_path_factory):
    """(name, kind, the source, the root) of every layout, prepared once."""
    name, kind = request.param
    source, root = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("root")
    getattr(PUBLISHED[name], kind)(source)
    return name, kind, source, root, prepare(small(name), root, source=source)


def test_splits_have_their_sizes(prepared):
    name, kind, _, root, made = prepared
    expected = DRAWN.get(name) if kind == "raw" else None
    counts = tuple(map(len, parts(small(name).images(root))))
    assert counts == (expected or PUBLISHED[name].counts)
    assert counts == tuple(made.manifest.splits[split].count for split in SPLITS)


def test_every_image_shows_its_label(prepared):
    name, _, _, root, _ = prepared
    levels = 10 if name == "mnist" else 1000  # grey PNGs come back as RGB
    for part in parts(small(name).images(root)):
        some = range(0, len(part), 1 + len(part) // 100)
        shown = [label_of(part.open(index)) % levels for index in some]
        assert shown == [part.label(index) for index in some]


def test_a_check_finds_no_fault(prepared):
    name, _, _, root, _ = prepared
    checked = check(small(name), root, quick=name == "imagenet")
    assert checked.faults == ()


@pytest.mark.parametrize("prepared", NAMED, ids="-".join, indirect=True)
def test_held_out_images_are_those_of_the_earlier_layout(prepared):
    name, _, source, root, _ = prepared
    assert file_names(small(name).images(root)) == file_names(small(name).images(source))


def test_nothing_else_is_left_under_the_root(prepared):
    name, _, _, root, _ = prepared
    assert [path.name for path in root.iterdir()] == ["prepared"]
    assert sorted(path.name for path in (root / "prepared" / name).iterdir()) == [
        "manifest.json",
        *sorted(SPLITS),
    ]


@pytest.mark.parametrize("name", ["dtd", "eurosat", "svhn"])
def test_the_same_files_give_the_same_bytes(tmp_path, name):
    manifests = []
    for place in ("here", "there"):
        PUBLISHED[name].raw(tmp_path / place)
        prepare(small(name), tmp_path / place, workers=1 + 3 * (place == "there"))
        manifests.append((tmp_path / place / "prepared" / name / "manifest.json").read_bytes())
    assert manifests[0] == manifests[1]
    assert str(tmp_path).encode() not in manifests[0]


def test_a_seed_draws_another_split(tmp_path):
    PUBLISHED["eurosat"].raw(tmp_path)
    digests = {
        prepare(small("eurosat"), tmp_path, seed=seed, again=True).manifest.digest
        for seed in (0, 1, 0)
    }
    assert len(digests) == 2
