"""Stanford Cars: 196 makes, models and years, in the order of the devkit."""

from __future__ import annotations

from pathlib import Path

from taujp.data.class_lists import read_classes
from taujp.data.layouts.cars import cars_layout
from taujp.data.splits import RawSplits
from taujp.data.task import task

CLASSES = read_classes("cars")


@task(
    "cars",
    classes=CLASSES,
    templates=(
        "a photo of a {}.",
        "a photo of the {}.",
        "a photo of my {}.",
        "i love my {}!",
        "a photo of my dirty {}.",
        "a photo of my clean {}.",
        "a photo of my new {}.",
        "a photo of my old {}.",
    ),
    counts=(7330, 814, 8041),
    epochs=35,
    hub="tanganke/stanford_cars",
)
def cars(root: Path) -> RawSplits:
    """stanford_cars/{cars_train,cars_test,devkit} and its cars_test_annos_withlabels.mat."""
    return cars_layout(root, "stanford_cars", CLASSES)
