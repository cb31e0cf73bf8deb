"""What can be wrong with a task's splits once their files are listed."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from taujp.data.faults import Fault, first_of
from taujp.data.images import Images
from taujp.data.manifest import SPLITS, Manifest, order_digest
from taujp.data.splits import WholeSplits
from taujp.data.task import Task

COPY_SHARE = 0.5  # of a split found in another: one is a copy of the other


def place_of(images: Images) -> str:
    """The folder that holds all images of a split, or the file."""
    if not len(images):
        return "(no file)"
    ends = {images.name(0), images.name(len(images) - 1)}
    files = [name.rpartition("#")[0] or name for name in ends]
    return files[0] if len(set(files)) == 1 else os.path.commonpath(files) or "."


def count_faults(task: Task, images: WholeSplits) -> list[Fault]:
    """Splits of another size than the published one, and classes without images."""
    faults = []
    for split, published in zip(SPLITS, task.counts or (), strict=False):
        found: Images = getattr(images, split)
        if len(found) != published:
            told = f"{split} has {len(found)} images; the published split has {published}"
            advice = "unpack the download again; a file may be lost, or one too many"
            faults.append(Fault(place_of(found), told, advice))
    training = (images.train, images.validation)  # a tenth of a small class may be none, or all
    return [
        *faults,
        *_empty_classes(task, "train", training),
        *_empty_classes(task, "test", (images.test,)),
    ]


def order_faults(task: Task, images: WholeSplits) -> list[Fault]:
    """Labels whose class the files call by the name of another one."""
    index, faults = task.class_index(), []
    for split in ("train", "test"):
        found: Images = getattr(images, split)
        for label, name in enumerate(found.classes or ()):
            if index.find(name) != label:
                expected = task.classes[label] if label < len(task.classes) else "no class"
                told = f"label {label} of {split} is '{name}' here and '{expected}' in the task"
                advice = "list the task's classes in the order of the labels"
                faults.append(Fault(place_of(found), told, advice))
    return first_of(iter(faults), "classes out of order")


def duplicate_faults(images: WholeSplits, digests: Mapping[str, Sequence[str]]) -> list[Fault]:
    """Images that are in two splits, by the digest of each image in order ('' for none)."""
    faults: list[Fault] = []
    for first, second in combinations(SPLITS, 2):
        at = {digest: number for number, digest in enumerate(digests[first]) if digest}
        both = [(at[d], number) for number, d in enumerate(digests[second]) if d in at]
        kept: Images = getattr(images, first)
        other: Images = getattr(images, second)
        if both and len(both) >= COPY_SHARE * min(len(kept), len(other)):
            told = f"{len(both)} of {len(other)} images of {second} are in {first} ({len(kept)})"
            advice = f"one is a copy of the other: make {place_of(other)} from the download again"
            faults.append(Fault(place_of(other), told, advice))
        else:
            faults += first_of(_duplicates(kept, other, (first, second), both), "duplicates")
    return faults


def manifest_faults(manifest: Manifest, images: WholeSplits, contents: bool) -> Iterator[Fault]:
    """What has changed since the data set was prepared; `contents`: the images' bytes too."""
    for split in SPLITS:
        found, told = getattr(images, split), manifest.splits[split]
        if order_digest(found) != told.order:
            now = f"{split} has {len(found)} images and had {told.count}, or other names"
            advice = "prepare the data set again with --again"
            yield Fault(place_of(found), f"changed since it was prepared: {now}", advice)
        elif contents and told.images is not None:
            yield from _changed(found, told.images)


def _empty_classes(task: Task, split: str, parts: Sequence[Images]) -> list[Fault]:
    counts = Counter(part.label(index) for part in parts for index in range(len(part)))
    empty = [name for label, name in enumerate(task.classes) if not counts[label]]
    outside = sorted(label for label in counts if not 0 <= label < len(task.classes))
    told = [f"the class '{name}' has no image in {split}" for name in empty]
    told += [f"label {label} of {split} is no class of the task" for label in outside]
    faults = (Fault(place_of(parts[0]), found, "unpack the download again") for found in told)
    return first_of(faults, "empty classes")


def _duplicates(
    kept: Images, other: Images, splits: tuple[str, str], both: Sequence[tuple[int, int]]
) -> Iterator[Fault]:
    for first, second in both:
        told = f"the image is in {splits[1]} and, as '{kept.name(first)}', in {splits[0]}"
        yield Fault(other.name(second), told, "remove one of the two, or download it again")


def _changed(images: Images, listed: Sequence[tuple[str, int, str]]) -> Iterator[Fault]:
    from taujp.data.content import short_digest

    advice = "restore the file, or prepare the data set again with --again"
    for index, (name, _, digest) in enumerate(listed):
        try:
            same = short_digest(images.content(index)) == digest
        except OSError as error:
            yield Fault(name, f"the file can no longer be read ({error.strerror})", advice)
            continue
        if not same:
            yield Fault(name, "the file has changed since it was prepared", advice)
