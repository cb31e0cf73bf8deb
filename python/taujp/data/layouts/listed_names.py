"""Class folders with all images, and a text file a split with the names of its images."""

from __future__ import annotations

from pathlib import Path

from taujp.data.images import Images, ListedImages, PickedImages
from taujp.data.layouts.needed import damaged, needed


def picked_by_list(root: Path, images: ListedImages, list_file: str) -> Images:
    """The images whose file names (without folders) the list has, in the images' order."""
    names = needed(root, list_file).read_text().split()
    wanted = {name.rsplit("/", 1)[-1] for name in names}
    places = {name.rsplit("/", 1)[-1]: place for place, name in enumerate(images.files)}
    missing = sorted(wanted - places.keys())
    if missing or not wanted:
        found = f"lists {len(wanted)} images, {len(missing)} of them missing {missing[:3]}"
        raise damaged(list_file, found, "names of images in the class folders")
    return PickedImages(images, sorted(places[name] for name in wanted))
