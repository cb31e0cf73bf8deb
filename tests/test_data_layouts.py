"""Published layouts with something wrong: the error names the file and says what to do."""

from __future__ import annotations

import gzip
import pickle
import shutil

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from published_layouts import cars, cifar, dtd, eurosat, gtsrb, mnist, resisc45, stl10, sun397, svhn
from published_layouts.pictures import label_of, write_picture
from taujp.data import UnreadableImage, find_task
from taujp.data.layouts.class_folders import class_folders
from taujp.data.layouts.idx import read_idx


def cut(path, share=0.5):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])


def refused(name, root, *words, kind=ValueError):
    with pytest.raises(kind) as caught:
        find_task(name).images(root)
    for word in words:
        assert word in str(caught.value)
    assert "expected" in str(caught.value)


def test_sun397_with_any_prefix(tmp_path):
    """a_abbey, a/abbey and abbey are the same class, whatever their order."""
    sun397.earlier(tmp_path, train=1, test=1)
    val = tmp_path / "sun397" / "val"
    (val / "b").mkdir()
    (val / "b_bakery_shop").rename(val / "b" / "bakery_shop")
    (val / "b" / "booth").mkdir()
    (val / "b_booth_indoor").rename(val / "b" / "booth" / "indoor")
    (val / "a_abbey").rename(val / "abbey")
    test = find_task("sun397").raw(tmp_path).test
    assert [label_of(test.open(i)) for i in range(len(test))] == [
        test.label(i) for i in range(len(test))
    ]
    assert test.classes is not None
    assert test.classes[0] == "abbey"
    assert "b/booth/indoor" in test.classes


def test_an_unknown_scene_is_named(tmp_path):
    sun397.earlier(tmp_path, train=1, test=1)
    val = tmp_path / "sun397" / "val"
    (val / "a_abbey").rename(val / "a_monastery_ruin")
    refused("sun397", tmp_path, "sun397/val", "a_monastery_ruin", "'a/abbey'", "rename")


def test_no_folder_at_all(tmp_path):
    refused("dtd", tmp_path, "'dtd/train'", "taujp data prepare", kind=FileNotFoundError)


def test_a_class_without_images(tmp_path):
    dtd.earlier(tmp_path)
    shutil.rmtree(tmp_path / "dtd" / "val" / "polka-dotted")
    (tmp_path / "dtd" / "val" / "polka-dotted").mkdir()
    refused("dtd", tmp_path, "dtd/val", "'polka-dotted'", "fewer than 1 images")


def test_every_wrong_folder_is_listed_at_once(tmp_path):
    eurosat.earlier(tmp_path)
    train = tmp_path / "EuroSAT_splits" / "train"
    (train / "River").rename(train / "Rivers")
    (train / "Forest").rename(train / "Forests")
    refused("eurosat", tmp_path, "'Forests'", "'Rivers'", "'Forest'", "'River'")


def test_a_cut_jpeg_is_named_when_it_is_opened(tmp_path):
    eurosat.earlier(tmp_path)
    broken = "EuroSAT_splits/test/River/River_test1.jpg"
    cut(tmp_path / broken)
    test = find_task("eurosat").images(tmp_path).test
    index = next(i for i in range(len(test)) if test.name(i) == broken)
    with pytest.raises(UnreadableImage, match=broken):
        test.open(index)
    assert len(test.content(index)) > 0


def test_other_files_between_the_images_are_passed_over(tmp_path):
    write_picture(tmp_path / "pictures" / "a" / "1.png", 0)
    (tmp_path / "pictures" / "a" / "Thumbs.db").write_text("")
    (tmp_path / "pictures" / "readme.txt").write_text("")
    assert class_folders(tmp_path, "pictures", ("a",)).files == ["pictures/a/1.png"]


def test_cars_without_the_labelled_test_annotations(tmp_path):
    cars.earlier(tmp_path, train=1)
    (tmp_path / "stanford_cars" / "cars_test_annos_withlabels.mat").unlink()
    refused("cars", tmp_path, "cars_test_annos_withlabels.mat", kind=FileNotFoundError)


def test_cars_with_the_annotations_that_have_no_labels(tmp_path):
    cars.earlier(tmp_path, train=1)
    folder = tmp_path / "stanford_cars"
    shutil.copy(
        folder / "devkit" / "cars_test_annos.mat", folder / "cars_test_annos_withlabels.mat"
    )
    refused("cars", tmp_path, "cars_test_annos_withlabels.mat", "'fname' and 'class'")


def test_cars_annotations_may_lie_in_the_devkit(tmp_path):
    cars.earlier(tmp_path, train=1)
    folder, name = tmp_path / "stanford_cars", "cars_test_annos_withlabels.mat"
    (folder / name).rename(folder / "devkit" / name)
    assert find_task("cars").raw(tmp_path).test.label(0) == 195


def test_cars_in_another_order_of_classes(tmp_path):
    swapped = list(cars.CLASSES)
    swapped[3], swapped[4] = swapped[4], swapped[3]
    cars.earlier(tmp_path, train=1, classes=swapped)
    refused("cars", tmp_path, "cars_meta.mat", "class 3", swapped[3], swapped[4])


def test_cars_with_a_class_missing(tmp_path):
    cars.earlier(tmp_path, train=1, classes=cars.CLASSES[:-1])
    refused("cars", tmp_path, "cars_meta.mat", "195 classes", "smart fortwo")


@pytest.mark.parametrize(
    "file",
    ["devkit/cars_meta.mat", "devkit/cars_train_annos.mat", "cars_test_annos_withlabels.mat"],
)
def test_a_cut_mat_file(tmp_path, file):
    cars.earlier(tmp_path, train=1)
    cut(tmp_path / "stanford_cars" / file)
    refused("cars", tmp_path, file, "download it again")


def test_gtsrb_without_its_table(tmp_path):
    gtsrb.earlier(tmp_path)
    table = tmp_path / "gtsrb" / "GT-final_test.csv"
    table.rename(table.parent / "GTSRB" / table.name)
    assert find_task("gtsrb").raw(tmp_path).test.label(0) == 42
    (table.parent / "GTSRB" / table.name).unlink()
    refused("gtsrb", tmp_path, "gtsrb/GT-final_test.csv", kind=FileNotFoundError)


def test_gtsrb_with_the_table_that_has_no_labels(tmp_path):
    gtsrb.earlier(tmp_path)
    folder = tmp_path / "gtsrb"
    unlabelled = folder / "GTSRB" / "Final_Test" / "Images" / "GT-final_test.test.csv"
    shutil.copy(unlabelled, folder / "GT-final_test.csv")
    refused("gtsrb", tmp_path, "GT-final_test.csv", "ClassId")


def test_gtsrb_with_a_label_too_large(tmp_path):
    gtsrb.earlier(tmp_path)
    table = tmp_path / "gtsrb" / "GT-final_test.csv"
    table.write_text(table.read_text().replace(";42\n", ";43\n"))
    refused("gtsrb", tmp_path, "GT-final_test.csv", "[43]", "0 to 42")


def test_resisc45_without_a_list(tmp_path):
    resisc45.earlier(tmp_path)
    (tmp_path / "resisc45" / "resisc45-test.txt").unlink()
    refused("resisc45", tmp_path, "resisc45/resisc45-test.txt", kind=FileNotFoundError)


def test_resisc45_lists_an_image_that_is_not_there(tmp_path):
    resisc45.earlier(tmp_path)
    with (tmp_path / "resisc45" / "resisc45-test.txt").open("a") as file:
        file.write("airplane_999.jpg\n")
    refused("resisc45", tmp_path, "resisc45-test.txt", "'airplane_999.jpg'")


def test_resisc45_needs_no_validation_list(tmp_path):
    resisc45.earlier(tmp_path)
    (tmp_path / "resisc45" / "resisc45-val.txt").unlink()
    assert len(find_task("resisc45").images(tmp_path).train) == 122


def test_mnist_from_its_archives_alone(tmp_path):
    mnist.raw(tmp_path / "MNIST" / "raw")
    images = find_task("mnist").images(tmp_path)
    assert [label_of(images.test.open(i)) for i in range(20)] == mnist.labels(20).tolist()


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_cut_idx_file(tmp_path, ending):
    mnist.earlier(tmp_path)
    file = tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    if ending:
        file.unlink()
    cut(file.with_name(file.name + ending))
    refused("mnist", tmp_path, f"t10k-images-idx3-ubyte{ending}", "download it again")


def test_an_idx_file_of_labels_is_no_file_of_images(tmp_path):
    mnist.earlier(tmp_path)
    with pytest.raises(ValueError, match="another beginning"):
        read_idx(tmp_path, "MNIST/raw/train-labels-idx1-ubyte", dimensions=3)
    with pytest.raises(FileNotFoundError, match="neither 'nothing'"):
        read_idx(tmp_path, "nothing", dimensions=3)
    (tmp_path / "empty.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(ValueError, match="another beginning"):
        read_idx(tmp_path, "empty", dimensions=1)


def test_mnist_with_labels_of_other_images(tmp_path):
    mnist.earlier(tmp_path)
    folder = tmp_path / "MNIST" / "raw"
    shutil.copy(folder / "train-labels-idx1-ubyte", folder / "t10k-labels-idx1-ubyte")
    refused("mnist", tmp_path, "t10k-labels", "has 40 labels", "20")


def test_svhn_cut_or_another_file(tmp_path):
    svhn.earlier(tmp_path)
    file = tmp_path / "svhn" / "test_32x32.mat"
    whole = loadmat(str(file))
    cut(file)
    refused("svhn", tmp_path, "svhn/test_32x32.mat", "download it again")
    savemat(file, {"X": whole["X"][..., :5], "y": whole["y"]})
    refused("svhn", tmp_path, "svhn/test_32x32.mat", "20 labels")
    savemat(file, {"X": whole["X"], "y": whole["y"] + 1})
    refused("svhn", tmp_path, "svhn/test_32x32.mat", "0 to 9")
    savemat(file, {"Y": whole["X"]})
    refused("svhn", tmp_path, "a variable 'X'")
    file.unlink()
    refused("svhn", tmp_path, "svhn/test_32x32.mat", kind=FileNotFoundError)


def test_stl10_cut_or_in_another_order(tmp_path):
    stl10.earlier(tmp_path)
    base = tmp_path / "stl10" / "stl10_binary"
    names = (base / "class_names.txt").read_text()
    (base / "class_names.txt").write_text(names.replace("bird\ncar\n", "car\nbird\n"))
    refused("stl10", tmp_path, "class_names.txt", "class 1", "'car'", "'bird'")
    (base / "class_names.txt").write_text(names)
    cut(base / "train_X.bin", 0.9)
    refused("stl10", tmp_path, "train_X.bin", "20 images")


def test_cifar_cut_or_in_another_order(tmp_path):
    cifar.raw10(tmp_path)
    base = tmp_path / "cifar-10-batches-py"
    cut(base / "data_batch_3")
    refused("cifar10", tmp_path, "cifar-10-batches-py/data_batch_3", "download it again")
    (base / "data_batch_3").unlink()
    refused("cifar10", tmp_path, "data_batch_3", kind=FileNotFoundError)
    names = [*cifar.CLASSES10[1::-1], *cifar.CLASSES10[2:]]
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    refused("cifar10", tmp_path, "batches.meta", "class 0", "'automobile'", "'airplane'")


class Attack:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        import os

        return os.mkdir, (str(self.path),)


def test_a_cifar_batch_runs_nothing(tmp_path):
    cifar.raw10(tmp_path)
    batch = tmp_path / "cifar-10-batches-py" / "test_batch"
    batch.write_bytes(pickle.dumps({"data": Attack(tmp_path / "made"), "labels": []}))
    refused("cifar10", tmp_path, "test_batch", "mkdir")
    assert not (tmp_path / "made").exists()


def test_a_cifar_batch_pickled_by_python_3_is_read(tmp_path):
    cifar.raw10(tmp_path)
    batch = tmp_path / "cifar-10-batches-py" / "test_batch"
    content = pickle.loads(batch.read_bytes(), encoding="latin1")
    batch.write_bytes(pickle.dumps(content))
    test = find_task("cifar10").images(tmp_path).test
    assert [label_of(test.open(i)) for i in range(20)] == content["labels"]
    batch.write_bytes(pickle.dumps({**content, "data": np.zeros((20, 5), np.uint8)}))
    refused("cifar10", tmp_path, "test_batch", "(20, 5)")
