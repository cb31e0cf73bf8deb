"""EuroSAT: 27,000 JPEGs in one folder a class, published without splits."""

from __future__ import annotations

from pathlib import Path

from published_layouts.pictures import write_picture

CLASSES = (
    "AnnualCrop",
    "Forest",
    "HerbaceousVegetation",
    "Highway",
    "Industrial",
    "Pasture",
    "PermanentCrop",
    "Residential",
    "River",
    "SeaLake",
)


def raw(folder: Path, each: int = 20) -> None:
    """EuroSAT.zip (RGB): 2750/CLASS/CLASS_NUMBER.jpg."""
    for label, name in enumerate(CLASSES):
        for number in range(1, each + 1):
            write_picture(folder / "2750" / name / f"{name}_{number}.jpg", label)


def earlier(root: Path, train: int = 4, val: int = 1, test: int = 1) -> None:
    """EuroSAT_splits/{train,val,test}/CLASS."""
    for split, count in (("train", train), ("val", val), ("test", test)):
        for label, name in enumerate(CLASSES):
            for number in range(1, count + 1):
                file = f"{name}_{split}{number}.jpg"
                write_picture(root / "EuroSAT_splits" / split / name / file, label)
