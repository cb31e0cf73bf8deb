"""Stanford Cars: numbered images, labels in the devkit's .mat files."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from taujp.data.images import ListedImages
from taujp.data.layouts.matlab import read_matlab
from taujp.data.layouts.needed import check_labels, check_names, damaged, needed
from taujp.data.splits import RawSplits


def cars_layout(root: Path, folder: str, classes: tuple[str, ...]) -> RawSplits:
    """FOLDER/{cars_train,cars_test,devkit} and FOLDER/cars_test_annos_withlabels.mat.

    The devkit's own test annotations have no labels; the labelled ones are a file of their own,
    which is also looked for in the devkit.
    """
    meta = f"{folder}/devkit/cars_meta.mat"
    names = tuple(map(str, np.atleast_1d(read_matlab(root, meta, "class_names"))))
    check_names(meta, names, classes)
    labelled = "cars_test_annos_withlabels.mat"
    inside = f"{folder}/devkit/{labelled}"
    test = inside if (root / inside).exists() else f"{folder}/{labelled}"
    train = f"{folder}/devkit/cars_train_annos.mat"
    return RawSplits(
        _annotated(root, f"{folder}/cars_train", train, names),
        None,
        _annotated(root, f"{folder}/cars_test", test, names),
    )


def _annotated(root: Path, folder: str, annotations: str, names: tuple[str, ...]) -> ListedImages:
    needed(root, folder)
    rows = np.atleast_1d(read_matlab(root, annotations, "annotations"))
    fields = rows.dtype.names or ()
    if not {"fname", "class"} <= set(fields):
        raise damaged(annotations, f"has the fields {list(fields)}", "'fname' and 'class'")
    labels = [int(label) - 1 for label in rows["class"]]
    check_labels(annotations, labels, len(names))
    files = [f"{folder}/{Path(str(file)).name}" for file in rows["fname"]]
    return ListedImages(root, files, labels, names)
