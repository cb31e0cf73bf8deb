"""Whether a task's images are those that were published: `taujp data check`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from taujp.data.check_splits import (
    count_faults,
    duplicate_faults,
    manifest_faults,
    order_faults,
)
from taujp.data.content import pixel_digests
from taujp.data.faults import Fault, fault_of, first_of
from taujp.data.images import Images, UnreadableImage
from taujp.data.layouts.prepared import prepared_folder
from taujp.data.manifest import FILE, SPLITS, read_manifest
from taujp.data.splits import WholeSplits
from taujp.data.task import Task


@dataclass(frozen=True)
class Checked:
    """A task's images under a root: how many each split has, and everything that is wrong.

    `images_read` is False where only lists and counts were looked at.
    """

    task: str
    classes: int
    images_read: bool
    counts: dict[str, int] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()


def check(
    task: Task,
    root: str | Path,
    *,
    quick: bool = False,
    workers: int = 1,
    progress: bool = False,
) -> Checked:
    """Looks for every fault that can be found without knowing the original files.

    Counts, classes and their order, readable images, images in two splits (by their pixels), and
    changes since the data set was prepared. `quick` reads lists only, no image. Files that a layout
    cannot read at all are one fault, which hides the others until it is mended.
    """
    root = Path(root)
    try:
        images = task.images(root)
    except (OSError, ValueError, LookupError, EOFError, TypeError) as error:
        fault = fault_of(error, root, task.name)
        return Checked(task.name, len(task.classes), False, faults=(fault,))
    faults = [*count_faults(task, images), *order_faults(task, images)]
    if not quick:
        faults += _image_faults(task, images, workers, progress)
    faults += first_of(_since_prepared(task, root, images, not quick), "changes")
    counts = {split: len(getattr(images, split)) for split in SPLITS}
    return Checked(task.name, len(task.classes), not quick, counts, tuple(faults))


def _image_faults(task: Task, images: WholeSplits, workers: int, progress: bool) -> list[Fault]:
    """Decodes every image: those that cannot be, and those in two splits."""
    faults, digests = [], {}
    for split in SPLITS:
        found: Images = getattr(images, split)
        what = f"{task.name} {split}"
        results = list(pixel_digests(found, what, workers=workers, progress=progress))
        digests[split] = [result if isinstance(result, str) else "" for result in results]
        faults += first_of(_unreadable(found, results), "unreadable images")
    return faults + duplicate_faults(images, digests)


def _unreadable(images: Images, results: list[str | UnreadableImage]) -> Iterator[Fault]:
    for index, result in enumerate(results):
        if isinstance(result, UnreadableImage):
            why = str(result.__cause__ or result)
            found = f"the image cannot be decoded ({why})"
            yield Fault(images.name(index), found, "unpack or download this file again")


def _since_prepared(task: Task, root: Path, images: WholeSplits, contents: bool) -> Iterator[Fault]:
    folder = prepared_folder(root, task.name)
    if not folder.is_dir():
        return
    try:
        manifest = read_manifest(folder)
    except (OSError, ValueError) as error:
        file = str((folder / FILE).relative_to(root))
        yield Fault(file, str(error), f"run `taujp data prepare {task.name} --again`")
        return
    yield from manifest_faults(manifest, images, contents)
