"""What to download for each task, and where its files are looked for. This loads nothing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Download:
    """A data set's official name and files.

    `archives` (file names) are unpacked into `folder` below the place they are in; `published` is
    the file or folder by which the published layout is known, `raw` are those of a raw download
    that is laid out otherwise; `by_hand` is what else must be done.
    """

    title: str
    files: tuple[str, ...]
    archives: tuple[str, ...]
    folder: str
    published: str
    raw: tuple[str, ...] = ()
    by_hand: str = ""

    def found_in(self, root: Path) -> bool:
        """Whether the published layout or the raw download is there."""
        return any((root / place).exists() for place in (self.published, *self.raw))

    def archives_in(self, root: Path) -> list[Path]:
        """The archives that are there, in root or in the data set's folder."""
        places = dict.fromkeys((root, root / self.folder))
        return [p / name for name in self.archives for p in places if (p / name).is_file()]


CARS = ("cars_train.tgz", "cars_test.tgz", "car_devkit.tgz")
GTSRB = ("GTSRB-Training_fixed.zip", "GTSRB_Final_Test_Images.zip", "GTSRB_Final_Test_GT.zip")
IMAGENET = ("ILSVRC2012_img_train.tar", "ILSVRC2012_img_val.tar", "ILSVRC2012_devkit_t12.tar.gz")
CIFAR10, CIFAR100 = ("cifar-10-python.tar.gz",), ("cifar-100-python.tar.gz",)
STL10 = ("stl10_binary.tar.gz",)
MNIST = tuple(
    f"{split}-{kind}-ubyte.gz"
    for split in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
)

DOWNLOADS = {
    "cars": Download(
        "Stanford Cars",
        (*CARS, "cars_test_annos_withlabels.mat"),
        CARS,
        "stanford_cars",
        "stanford_cars/devkit",
        by_hand="the data set's own page is gone: use a mirror of these files",
    ),
    "cifar10": Download("CIFAR-10 (python version)", CIFAR10, CIFAR10, ".", "cifar-10-batches-py"),
    "cifar100": Download("CIFAR-100 (python version)", CIFAR100, CIFAR100, ".", "cifar-100-python"),
    "dtd": Download(
        "Describable Textures Dataset (DTD), release 1.0.1",
        ("dtd-r1.0.1.tar.gz",),
        ("dtd-r1.0.1.tar.gz",),
        ".",
        "dtd/train",
        ("dtd/images",),
    ),
    "eurosat": Download(
        "EuroSAT, RGB",
        ("EuroSAT.zip",),
        ("EuroSAT.zip", "EuroSAT_RGB.zip"),
        ".",
        "EuroSAT_splits",
        ("2750", "EuroSAT_RGB", "EuroSAT/2750", "eurosat/2750"),
    ),
    "gtsrb": Download(
        "German Traffic Sign Recognition Benchmark (GTSRB)", GTSRB, GTSRB, "gtsrb", "gtsrb/GTSRB"
    ),
    "imagenet": Download(
        "ImageNet, ILSVRC 2012",
        IMAGENET,
        (),
        "imagenet",
        "imagenet/train",
        by_hand="unpack the training archives to imagenet/train/WNID, the validation archive to "
        "imagenet/val and the devkit to imagenet",
    ),
    "mnist": Download("MNIST", MNIST, (), "MNIST/raw", "MNIST/raw"),
    "resisc45": Download(
        "NWPU-RESISC45",
        ("NWPU-RESISC45.rar", *(f"resisc45-{split}.txt" for split in ("train", "val", "test"))),
        ("NWPU-RESISC45.zip", "NWPU-RESISC45.tar.gz"),
        "resisc45",
        "resisc45/NWPU-RESISC45",
        by_hand="unpack the .rar yourself; without the three lists the splits are drawn",
    ),
    "stl10": Download("STL-10 (binary files)", STL10, STL10, "stl10", "stl10/stl10_binary"),
    "sun397": Download(
        "SUN397, and its Partitions",
        ("SUN397.tar.gz", "Partitions.zip"),
        ("SUN397.tar.gz", "Partitions.zip"),
        ".",
        "sun397",
        ("SUN397",),
    ),
    "svhn": Download(
        "Street View House Numbers (SVHN), cropped digits",
        ("train_32x32.mat", "test_32x32.mat"),
        (),
        "svhn",
        "svhn/train_32x32.mat",
    ),
}


def missing(name: str, root: Path) -> FileNotFoundError:
    """The error that says what to download and where to put it."""
    told = DOWNLOADS[name]
    where = root if told.folder == "." else root / told.folder
    by_hand = f"; {told.by_hand}" if told.by_hand else ""
    return FileNotFoundError(
        f"prepare: no files of '{name}' under '{root}'; expected {told.title}: download "
        f"{', '.join(told.files)} and put it into '{where}' (archives may stay packed){by_hand}; "
        "then run the same command again, or give --from a folder, or a copy on the Hugging Face "
        "hub"
    )
