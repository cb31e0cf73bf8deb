"""Where on this machine the models are that a configuration names; nothing is downloaded."""

from __future__ import annotations

import os

from taujp.merge.errors import MergeError

from .reference import Place

HUB = "~/.cache/huggingface/hub"


def find_place(place: Place, cache: str | os.PathLike[str] | None = None) -> str:
    """The folder or file of a place: as it is written, or in the cache of the Hugging Face hub.

    cache: the folder of that cache; default: HF_HUB_CACHE, HF_HOME/hub, or ~/.cache/huggingface.
    Raises: MergeError that says how to get what is not there.
    """
    if place.revision is None and os.path.exists(place.path):
        return place.path
    if os.path.exists(place.path):
        raise MergeError(
            f"{str(place)!r}: {place.path!r} is on this machine and has no revisions; name the "
            f"folder of the one you mean"
        )
    repository = os.path.join(_cache(cache), "models--" + place.path.replace("/", "--"))
    found = _snapshot(repository, place.revision or "main")
    if found is None:
        revision = f" --revision {place.revision}" if place.revision else ""
        raise MergeError(
            f"no model {str(place)!r} here, nor in the cache {_cache(cache)!r}; taujp downloads "
            f"nothing: get it with `hf download {place.path}{revision}`, or name a folder"
        )
    return found


def _cache(cache: str | os.PathLike[str] | None) -> str:
    if cache is not None:
        return os.fspath(cache)
    home = os.environ.get("HF_HOME")
    default = os.path.join(home, "hub") if home else os.path.expanduser(HUB)
    return os.environ.get("HF_HUB_CACHE", default)


def _snapshot(repository: str, revision: str) -> str | None:
    """The folder of a revision: a branch or tag by what it points to, or a commit itself."""
    try:
        with open(os.path.join(repository, "refs", revision)) as stream:
            revision = stream.read().strip()
    except OSError:
        pass  # a commit has no reference
    folder = os.path.join(repository, "snapshots", revision)
    return folder if os.path.isdir(folder) else None
