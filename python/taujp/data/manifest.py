"""The list of a prepared data set's images with their hashes, so that two people can tell whether
they have the same data, and one whether it has changed.

ROOT/prepared/NAME/manifest.json, without dates or places: the same files give the same bytes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from taujp.data.content import content_digests
from taujp.data.images import Images
from taujp.data.splits import WholeSplits
from taujp.data.task import Task

SCHEMA = "taujp.data/1"
FILE = "manifest.json"
LISTED_AT_MOST = 200_000  # images of a split; a longer one has its digests only
SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class SplitManifest:
    """One split. `order` is a digest of its names and labels in their order, `content` of these
    and of every image's bytes; `images` are (name, label, digest of the bytes)."""

    count: int
    order: str
    content: str
    images: tuple[tuple[str, int, str], ...] | None


@dataclass(frozen=True)
class Manifest:
    """A prepared data set: `source` is the kind of files it was made of, `seed` that of what was
    drawn, `version` the taujp that made it."""

    task: str
    source: str
    seed: int
    version: str
    classes: tuple[str, ...]
    splits: Mapping[str, SplitManifest]

    @property
    def digest(self) -> str:
        """64 hex digits: equal where tasks, classes, order, labels and images are."""
        contents = [self.splits[split].content for split in SPLITS]
        return _sha256([self.task, list(self.classes), contents])


def manifest_of(
    task: Task,
    images: WholeSplits,
    *,
    source: str = "its layout",
    seed: int = 0,
    workers: int = 1,
    progress: bool = False,
) -> Manifest:
    """Reads every image's bytes once."""
    import taujp

    splits = {
        split: _split(getattr(images, split), f"{task.name} {split}", workers, progress)
        for split in SPLITS
    }
    return Manifest(task.name, source, seed, taujp.__version__, task.file_classes, splits)


def order_digest(images: Images) -> str:
    """64 hex digits of names and labels in their order; no image is read."""
    return _sha256([[images.name(at), images.label(at)] for at in range(len(images))])


def write_manifest(manifest: Manifest, folder: Path) -> Path:
    """Writes FILE into a folder that nobody else sees yet."""
    content = {"schema": SCHEMA, "digest": manifest.digest, **asdict(manifest)}
    path = folder / FILE
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a prepared data set's folder.

    FileNotFoundError where there is none; ValueError for one that is damaged, changed by hand, or
    of a later taujp.
    """
    path = folder / FILE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        manifest = _from_json(content)
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise _unusable(path, f"is damaged ({type(error).__name__}: {error})") from error
    if content["digest"] != manifest.digest:
        raise _unusable(path, "does not agree with its own digest")
    return manifest


def _split(images: Images, what: str, workers: int, progress: bool) -> SplitManifest:
    digests = content_digests(images, what, workers=workers, progress=progress)
    listed = tuple((images.name(at), images.label(at), d) for at, d in enumerate(digests))
    kept = listed if len(listed) <= LISTED_AT_MOST else None
    return SplitManifest(len(listed), order_digest(images), _sha256(listed), kept)


def _from_json(content: dict[str, Any]) -> Manifest:
    if content["schema"] != SCHEMA:
        raise TypeError(f"schema {content['schema']!r}, expected {SCHEMA!r}")
    splits = {}
    for split in SPLITS:
        told = content["splits"][split]
        images = told.pop("images")
        rows = None if images is None else tuple((name, at, hash_) for name, at, hash_ in images)
        splits[split] = SplitManifest(**told, images=rows)
    kept = {name: content[name] for name in ("task", "source", "seed", "version")}
    return Manifest(**kept, classes=tuple(content["classes"]), splits=splits)


def _unusable(path: Path, why: str) -> ValueError:
    return ValueError(
        f"read_manifest: '{path}' {why}; expected what `taujp data prepare` wrote ({SCHEMA}); "
        "prepare the data set again with --again"
    )


def _sha256(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()
