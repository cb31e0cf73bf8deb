"""SUN397 (SUN397.tar.gz: SUN397/a/abbey/*.jpg; Partitions.zip: Training_01.txt, Testing_01.txt).

The first of ten partitions, 50 training and 50 test images a class. The lists have lines like
/b/bakery/shop/sun_x.jpg: the first letter is an index folder, the rest is the class.
"""

from __future__ import annotations

from pathlib import Path

from taujp.data.sources.by_class import images_by_class
from taujp.data.split_lists import read_list
from taujp.data.splits import RawSplits
from taujp.data.task import Task

IMAGES, TRAIN_LIST, TEST_LIST = "SUN397", "Training_01.txt", "Testing_01.txt"


def read(folder: Path, task: Task, seed: int) -> RawSplits | None:
    """Both splits by the published lists; the seed draws nothing here."""
    places = (folder, folder / "sun397")
    base = next((place for place in places if (place / IMAGES).is_dir()), None)
    if base is None:
        return None
    lists = _lists_folder(base)
    train, test = (
        images_by_class(base, _listed(lists / name), task) for name in (TRAIN_LIST, TEST_LIST)
    )
    return RawSplits(train, None, test)


def _lists_folder(base: Path) -> Path:
    """Where the lists are: in Partitions, among the images, or beside them."""
    places = [base / "Partitions", base / IMAGES, base]
    found = [place for place in places if (place / TRAIN_LIST).is_file()]
    return found[0] if found else places[0]


def _listed(path: Path) -> list[tuple[str, str]]:
    """(class, file) of each line; 'a_abbey' is the class of /a/abbey/sun_x.jpg."""
    lines = [line.lstrip("/") for line in read_list(path, "sun397")]
    return [(line.rpartition("/")[0].replace("/", "_"), f"{IMAGES}/{line}") for line in lines]
