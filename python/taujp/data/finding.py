"""Which files a task is prepared from: a raw download, its archives, the published layout, a hub
copy."""

from __future__ import annotations

from pathlib import Path

from taujp.data.downloads import DOWNLOADS, missing
from taujp.data.hub_copy import hub_copy, is_hub_copy
from taujp.data.sources import SOURCES
from taujp.data.splits import RawSplits
from taujp.data.task import Task
from taujp.data.view import view_of


def find_images(
    task: Task, source: Path | str, working: Path, *, seed: int
) -> tuple[RawSplits, str]:
    """The task's images in `source`, and what kind of files they are in.

    `source` is a folder, or the name of a copy on the Hugging Face hub. A raw download goes before
    a layout made from it. Archives are unpacked in `working`. FileNotFoundError says what to
    download and where to put it.
    """
    if is_hub_copy(source):
        return hub_copy(source, task), "a hub copy"
    folder = Path(source)
    if task.name not in DOWNLOADS:
        return task.layout(folder), "its layout"
    download = DOWNLOADS[task.name]
    try:
        found = _unpacked(task, folder, seed)
    except FileNotFoundError:
        if not download.archives_in(folder):
            raise
        found = None  # a part of it is still in an archive
    found = found or _unpacked(task, view_of(folder, download, working), seed)
    if found is None:
        raise missing(task.name, folder)
    return found


def _unpacked(task: Task, folder: Path, seed: int) -> tuple[RawSplits, str] | None:
    raw = SOURCES[task.name](folder, task, seed) if task.name in SOURCES else None
    if raw is not None:
        return raw, "the raw download"
    if (folder / DOWNLOADS[task.name].published).exists():
        return task.layout(folder), "its published layout"
    return None
