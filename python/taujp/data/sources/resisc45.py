"""RESISC45 (NWPU-RESISC45/CLASS/*.jpg) without split lists: six tenths training, two validation,
two test of every class, drawn with the seed.

With resisc45-{train,val,test}.txt beside it, its layout reads it by those published lists. The
earlier code trains on the training list, holds validation out of it and leaves the validation list
unused: 17010/1890/6300. So does this.
"""

from __future__ import annotations

from pathlib import Path

from taujp.data.sources.by_class import folders_in, image_names, images_by_class
from taujp.data.split_lists import draw
from taujp.data.splits import RawSplits
from taujp.data.task import Task

IMAGES = "NWPU-RESISC45"


def read(folder: Path, task: Task, seed: int) -> RawSplits | None:
    """Train and test drawn with `seed`; None where there are lists."""
    base = folder / "resisc45" if (folder / "resisc45" / IMAGES).is_dir() else folder
    if not (base / IMAGES).is_dir() or list(base.glob("resisc45-*.txt")):
        return None
    train, test = [], []
    for name in folders_in(base / IMAGES):
        files = [f"{IMAGES}/{name}/{file}" for file in image_names(base / IMAGES / name)]
        fifth = len(files) // 5
        for_test, _, rest = draw(files, (fifth, fifth), seed=seed)
        test += [(name, file) for file in for_test]
        train += [(name, file) for file in rest]
    return RawSplits(images_by_class(base, train, task), None, images_by_class(base, test, task))
