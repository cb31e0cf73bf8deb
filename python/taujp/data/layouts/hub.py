"""Hugging Face image data sets, from a folder or by their name on the hub, through `datasets`.

A folder is what `save_to_disk` wrote, or a copy of a hub repository with its parquet files.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from taujp.data.hub_images import HubImages
from taujp.data.layouts.hub_columns import hub_images
from taujp.data.splits import RawSplits

VALIDATION = ("validation", "val", "valid", "dev")


def hub_layout(
    source: str | Path, *, image: str | None = None, label: str | None = None
) -> RawSplits:
    """The splits of a data set as it labels them.

    `source` is a folder or a name on the hub, with :CONFIGURATION where there are several. `image`
    and `label` name the columns where their kind does not tell. Test images without labels do not
    count: then, as where there is no test split, validation is the test data and validation is
    held out of training.
    """
    loaded = load(source)
    if "train" not in loaded:
        raise _without(source, loaded, "training")
    read = partial(hub_images, image=image, label=label)
    train = read(loaded["train"], f"{source}/train")
    others = {
        name: read(rows, f"{source}/{name}", texts=train.classes or ())
        for name, rows in loaded.items()
        if name in ("test", *VALIDATION)
    }
    labelled = {name: images for name, images in others.items() if _all_labelled(images)}
    validation = next((labelled[name] for name in VALIDATION if name in labelled), None)
    test = labelled.get("test", validation)
    if test is None or not _all_labelled(train):
        raise _without(source, loaded, "training" if test else "testing")
    return RawSplits(train, validation if "test" in labelled else None, test)


def _all_labelled(images: HubImages) -> bool:
    return len(images) > 0 and all(label is not None and label >= 0 for label in images.labels)


def _without(source: str | Path, loaded: dict[str, Any], what: str) -> ValueError:
    return ValueError(
        f"hub: '{source}' has no labelled images for {what} in its splits {list(loaded)}; expected "
        "train, and test or validation; take another configuration (NAME:CONFIGURATION), or write "
        "a task file that splits it"
    )


def load(source: str | Path) -> dict[str, Any]:
    """Every split of a data set by name; nothing is decoded."""
    try:
        import datasets
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"hub: '{source}' needs the package datasets, which is not installed; run\n"
            "  pip install datasets"
        ) from error
    name, _, configuration = str(source).partition(":")
    if not name:
        raise ValueError(f"hub: '{source}' names no data set; expected hub:NAME or hub:FOLDER")
    if any((Path(name) / file).exists() for file in ("dataset_dict.json", "state.json")):
        loaded = datasets.load_from_disk(name)
    else:
        loaded = datasets.load_dataset(name, configuration or None)
    return dict(loaded) if isinstance(loaded, dict) else {"train": loaded}
