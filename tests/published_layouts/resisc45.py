"""NWPU-RESISC45: JPEGs by class and three lists of file names."""

from __future__ import annotations

from pathlib import Path

from published_layouts.pictures import write_lines, write_picture

CLASSES = tuple(
    [
        "airplane",
        "airport",
        "baseball_diamond",
        "basketball_court",
        "beach",
        "bridge",
        "chaparral",
        "church",
        "circular_farmland",
        "cloud",
        "commercial_area",
        "dense_residential",
        "desert",
        "forest",
        "freeway",
        "golf_course",
        "ground_track_field",
        "harbor",
        "industrial_area",
        "intersection",
        "island",
        "lake",
        "meadow",
        "medium_residential",
        "mobile_home_park",
        "mountain",
        "overpass",
        "palace",
        "parking_lot",
        "railway",
        "railway_station",
        "rectangular_farmland",
        "river",
        "roundabout",
        "runway",
        "sea_ice",
        "ship",
        "snowberg",
        "sparse_residential",
        "stadium",
        "storage_tank",
        "tennis_court",
        "terrace",
        "thermal_power_station",
        "wetland",
    ]
)


def raw(folder: Path, train: int = 3, val: int = 1, test: int = 1) -> None:
    """NWPU-RESISC45.rar and the lists resisc45-{train,val,test}.txt beside it."""
    lists: dict[str, list[str]] = {"train": [], "val": [], "test": []}
    parts = ["train"] * train + ["val"] * val + ["test"] * test
    for label, name in enumerate(CLASSES):
        for number, part in enumerate(parts, start=1):
            file = f"{name}_{number:03d}.jpg"
            write_picture(folder / "NWPU-RESISC45" / name / file, label)
            lists[part].append(file)
    for part, files in lists.items():
        write_lines(folder / f"resisc45-{part}.txt", files[::-1])


def earlier(root: Path, **options: int) -> None:
    """Under resisc45."""
    raw(root / "resisc45", **options)
