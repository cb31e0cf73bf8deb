"""German Traffic Signs: PPM images, a .csv a training class and one for the final test."""

from __future__ import annotations

from pathlib import Path

from published_layouts.pictures import write_lines, write_picture

CLASSES = tuple(f"{number:05d}" for number in range(43))
COLUMNS = "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2"


def raw(folder: Path, train: int = 2, test: int = 1) -> None:
    """GTSRB-Training_fixed.zip, GTSRB_Final_Test_Images.zip and GTSRB_Final_Test_GT.zip."""
    for label, name in enumerate(CLASSES):
        files = [f"00000_{number:05d}.ppm" for number in range(train)]
        for file in files:
            write_picture(folder / "GTSRB" / "Training" / name / file, label)
        rows = [f"{file};16;16;1;1;15;15;{label}" for file in files]
        table = folder / "GTSRB" / "Training" / name / f"GT-{name}.csv"
        write_lines(table, [f"{COLUMNS};ClassId", *rows])
    images = folder / "GTSRB" / "Final_Test" / "Images"
    labels = [label for label in reversed(range(len(CLASSES))) for _ in range(test)]
    files = [f"{index:05d}.ppm" for index in range(len(labels))]
    for file, label in zip(files, labels, strict=True):
        write_picture(images / file, label)
    boxes = [f"{file};16;16;1;1;15;15" for file in files]
    write_lines(images / "GT-final_test.test.csv", [COLUMNS, *boxes])
    rows = [f"{box};{label}" for box, label in zip(boxes, labels, strict=True)]
    write_lines(folder / "GT-final_test.csv", [f"{COLUMNS};ClassId", *rows])


def earlier(root: Path, **options: int) -> None:
    """Under gtsrb, as torchvision unpacks it."""
    raw(root / "gtsrb", **options)
