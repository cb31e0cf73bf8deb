"""EuroSAT (EuroSAT.zip: 2750/CLASS/*.jpg, later EuroSAT_RGB/CLASS/*.jpg) has no official split.

Of every class 270 images are test, 270 validation and the rest training: 21600/2700/2700, the
counts of the earlier code. Which ones is drawn with the seed (the earlier code drew without one).
"""

from __future__ import annotations

from pathlib import Path

from taujp.data.sources.by_class import folders_in, image_names, images_by_class
from taujp.data.split_lists import draw
from taujp.data.splits import RawSplits
from taujp.data.task import Task

FOLDERS = ("2750", "EuroSAT_RGB", "EuroSAT/2750", "eurosat/2750")
HELD_OUT = 270  # of each class, in validation and in test; a fifth of a class that is smaller
SMALLEST = 5


def read(folder: Path, task: Task, seed: int) -> RawSplits | None:
    """Three splits drawn with `seed`, of equally many images a class."""
    base = next((folder / name for name in FOLDERS if (folder / name).is_dir()), None)
    if base is None:
        return None
    parts: list[list[tuple[str, str]]] = [[], [], []]
    for name in folders_in(base):
        files = [f"{name}/{file}" for file in image_names(base / name)]
        if len(files) < SMALLEST:
            raise ValueError(
                f"eurosat: '{base / name}' has {len(files)} images; expected 2000 to 3000 and "
                f"at least {SMALLEST} to split; unpack EuroSAT.zip again"
            )
        held_out = min(HELD_OUT, len(files) // SMALLEST)
        for part, drawn in zip(parts, draw(files, (held_out, held_out), seed=seed), strict=True):
            part.extend((name, file) for file in drawn)
    test, validation, train = (images_by_class(base, part, task) for part in parts)
    return RawSplits(train, validation, test)
