"""Turns a raw download, a published layout or a hub copy into ROOT/prepared/NAME: train, validation
and test with a folder a class, and a manifest. The same files and seed give the same result."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from taujp.data.check_splits import count_faults, duplicate_faults
from taujp.data.faults import Fault
from taujp.data.finding import find_images
from taujp.data.layouts.prepared import prepared_folder, prepared_layout
from taujp.data.manifest import SPLITS, Manifest, manifest_of, read_manifest, write_manifest
from taujp.data.placing import PLACES, place_split
from taujp.data.splits import WholeSplits
from taujp.data.staging import move_into_place, staging
from taujp.data.task import Task

# Some published data sets have a few images twice; more of them are a fault of the files.
LEAKED_AT_MOST = 0.01


@dataclass(frozen=True)
class Prepared:
    """What is under ROOT/prepared/NAME; `new`: made by this call. `faults`: the few images that are
    in two splits, and what was taken as it is."""

    manifest: Manifest
    folder: Path
    new: bool
    faults: tuple[Fault, ...] = ()


def prepare(
    task: Task,
    root: str | Path,
    *,
    source: str | Path | None = None,
    files: Literal["hard", "symbolic", "copy"] = "hard",
    seed: int = 0,
    again: bool = False,
    as_it_is: bool = False,
    workers: int = 1,
    progress: bool = False,
) -> Prepared:
    """Makes the documented splits of a task once; a second call finds them and does nothing.

    Args:
      source: a folder with the download or the published layout, default `root`; or "hub:NAME"
        or "hub:FOLDER", a copy as the Hugging Face hub has them ("hub": the task's usual one).
      files: "hard" links take no room (copies on another file system), "symbolic" links point
        to the source, "copy" makes files of their own.
      seed: of splits that the download does not have; 0 gives the documented ones.
      again: make them anew.
      as_it_is: even where the counts are not the published ones, or more than 1 % of the test
        images are in training.

    FileNotFoundError says what to download; ValueError names what is damaged or not as published.
    Nothing is seen in its place before it is whole; a killed call is repeated from its start.
    """
    root = Path(root)
    place = prepared_folder(root, task.name)
    if place.exists() and not again:
        return Prepared(_existing(task, place, seed), place, new=False)
    with staging(root, task.name, place) as working:
        raw, kind = find_images(task, source or root, working, seed=seed)
        _place_all(task, raw.with_validation(), working, files)
        images = prepared_layout(working, task.name, task.file_classes).with_validation()
        manifest = manifest_of(
            task, images, source=kind, seed=seed, workers=workers, progress=progress
        )
        faults = _faults(task, images, manifest, as_it_is=as_it_is)
        made = prepared_folder(working, task.name)
        write_manifest(manifest, made)
        move_into_place(made, place, working)
    return Prepared(manifest, place, new=True, faults=tuple(faults))


def _existing(task: Task, place: Path, seed: int) -> Manifest:
    """The manifest of what is there; an error where it is not what was asked for."""
    try:
        manifest = read_manifest(place)
    except FileNotFoundError as error:
        raise ValueError(
            f"prepare: '{place}' exists and has no manifest.json; expected what an earlier call "
            "made; move the folder away, or prepare it --again"
        ) from error
    asked = {"classes": task.file_classes, "seed": seed}
    other = [name for name, value in asked.items() if getattr(manifest, name) != value]
    if other:
        raise ValueError(
            f"prepare: '{place}' was made with other {' and '.join(other)} than '{task.name}' is "
            "asked with now; expected the same; prepare it --again"
        )
    return manifest


def _place_all(task: Task, images: WholeSplits, working: Path, files: str) -> None:
    def place(source: Path, target: Path) -> None:
        # what was unpacked in the working folder goes with it: no pointers to there
        unpacked = source.is_relative_to(working.resolve())
        PLACES["hard" if unpacked else files](source, target)

    for split in SPLITS:
        folder = prepared_folder(working, task.name) / split
        place_split(getattr(images, split), folder, task.file_classes, place)


def _faults(task: Task, images: WholeSplits, manifest: Manifest, *, as_it_is: bool) -> list[Fault]:
    """What is not as published; ValueError where it is too much to be taken.

    A split too long to be listed is left to `check`.
    """
    contents = {split: [row[2] for row in manifest.splits[split].images or ()] for split in SPLITS}
    wrong, doubled = count_faults(task, images), duplicate_faults(images, contents)
    seen = {*contents["train"], *contents["validation"]}
    leaked = sum(digest in seen for digest in contents["test"])
    if not as_it_is and (wrong or leaked > LEAKED_AT_MOST * manifest.splits["test"].count):
        raise _refused(task, [*wrong, *doubled])
    return [*wrong, *doubled]


def _refused(task: Task, faults: list[Fault]) -> ValueError:
    listed = "\n  ".join(map(str, faults))
    return ValueError(
        f"prepare: '{task.name}' is not as published, nothing was made:\n  {listed}\n"
        "mend this, or take the images --as-it-is"
    )
