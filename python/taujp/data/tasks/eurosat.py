"""EuroSAT: ten kinds of land use seen by a satellite."""

from __future__ import annotations

from pathlib import Path

from taujp.data.layouts.class_folders import class_folders
from taujp.data.splits import RawSplits
from taujp.data.task import task

# The folders' names, in the order of the labels, and the texts that CLIP's authors gave them.
CLASSES = {
    "AnnualCrop": "annual crop land",
    "Forest": "forest",
    "HerbaceousVegetation": "brushland or shrubland",
    "Highway": "highway or road",
    "Industrial": "industrial buildings or commercial buildings",
    "Pasture": "pasture land",
    "PermanentCrop": "permanent crop land",
    "Residential": "residential buildings or homes or apartments",
    "River": "river",
    "SeaLake": "lake or sea",
}
FOLDERS = tuple(CLASSES)
PARTS = ("train", "val", "test")


@task(
    "eurosat",
    classes=tuple(CLASSES.values()),
    templates=(
        "a centered satellite photo of {}.",
        "a centered satellite photo of a {}.",
        "a centered satellite photo of the {}.",
    ),
    counts=(21600, 2700, 2700),
    epochs=12,
    hub="tanganke/eurosat",
    file_classes=FOLDERS,
)
def eurosat(root: Path) -> RawSplits:
    """EuroSAT_splits/{train,val,test}/CLASS."""
    train, validation, test = (
        class_folders(root, f"EuroSAT_splits/{part}", FOLDERS) for part in PARTS
    )
    return RawSplits(train, validation, test)
