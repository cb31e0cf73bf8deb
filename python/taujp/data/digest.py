"""One digest of a task's data, for the record of a result."""

from __future__ import annotations

from pathlib import Path

from taujp.data.layouts.prepared import prepared_folder
from taujp.data.manifest import SPLITS, manifest_of, order_digest, read_manifest
from taujp.data.task import Task


def data_digest(task: Task, root: str | Path = ".", *, workers: int = 1) -> str:
    """64 hex digits: equal where classes, images, labels and their order are.

    From the manifest where the data set is prepared (its list of files is compared with what is
    there, not their bytes; `check` does that); else every image's bytes are read. ValueError where
    the files are no longer those of the manifest.
    """
    images = task.images(root)
    folder = prepared_folder(Path(root), task.name)
    if not folder.is_dir():
        return manifest_of(task, images, workers=workers).digest
    manifest = read_manifest(folder)
    for split in SPLITS:
        if order_digest(getattr(images, split)) != manifest.splits[split].order:
            raise ValueError(
                f"data_digest: {split} images under '{folder}' are not those of its manifest; "
                f"expected no change since it was made; run `taujp data check {task.name}`"
            )
    return manifest.digest
