"""Archives beside the root: unpacked where they belong, and never anywhere else."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import pytest

from published_layouts.every import PUBLISHED
from small_layouts import parts, small
from taujp.data.archives import UnsafeArchive, unpack
from taujp.data.prepare import prepare


def packed(folder: Path, archive: Path, *members: str) -> None:
    """Moves members of the folder into an archive of the kind its name says."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    files = [path for name in members for path in sorted((folder / name).rglob("*"))]
    files += [folder / name for name in members if (folder / name).is_file()]
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive, "w") as opened:
            for path in files:
                opened.write(path, path.relative_to(folder))
    else:
        with tarfile.open(archive, "w:gz") as opened_tar:
            for name in members:
                opened_tar.add(folder / name, name)
    for name in members:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()


ARCHIVES = {
    "cars": {
        "cars_train.tgz": ["cars_train"],
        "cars_test.tgz": ["cars_test"],
        "car_devkit.tgz": ["devkit"],
    },
    "dtd": {"dtd-r1.0.1.tar.gz": ["dtd"]},
    "eurosat": {"EuroSAT.zip": ["2750"]},
    "gtsrb": {
        "GTSRB-Training_fixed.zip": ["GTSRB/Training"],
        "GTSRB_Final_Test_Images.zip": ["GTSRB/Final_Test"],
        "GTSRB_Final_Test_GT.zip": ["GT-final_test.csv"],
    },
    "stl10": {"stl10_binary.tar.gz": ["stl10_binary"]},
}


def listing(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("name", ARCHIVES)
def test_archives_give_what_the_unpacked_files_give(tmp_path, name):
    PUBLISHED[name].raw(tmp_path / "unpacked")
    shutil.copytree(tmp_path / "unpacked", tmp_path / "packed")
    for archive, members in ARCHIVES[name].items():
        packed(tmp_path / "packed", tmp_path / "packed" / archive, *members)
    before = listing(tmp_path / "packed")
    made = [
        prepare(small(name), tmp_path / root, source=tmp_path / source, files=files)
        for root, source, files in (("a", "unpacked", "hard"), ("b", "packed", "symbolic"))
    ]
    assert made[0].manifest == made[1].manifest
    assert listing(tmp_path / "packed") == before
    images = small(name).images(tmp_path / "b")
    assert all(part.open(0) for part in parts(images))  # the links do not point to what is gone


def test_what_is_unpacked_already_is_joined_by_what_is_not(tmp_path):
    PUBLISHED["gtsrb"].earlier(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole", tmp_path / "part")
    archive = tmp_path / "part" / "GTSRB_Final_Test_Images.zip"
    packed(tmp_path / "part" / "gtsrb", archive, "GTSRB/Final_Test")
    before = listing(tmp_path / "part")
    made = [
        prepare(small("gtsrb"), tmp_path / f"root of {source}", source=tmp_path / source)
        for source in ("whole", "part")
    ]
    assert made[0].manifest == made[1].manifest
    assert listing(tmp_path / "part") == before


def zip_with(path: Path, name: str, attributes: int = 0) -> None:
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("good.txt", "good")
        member = zipfile.ZipInfo(name)
        member.external_attr = attributes << 16
        opened.writestr(member, "/etc/passwd")


def tar_with(path: Path, member: tarfile.TarInfo) -> None:
    with tarfile.open(path, "w:gz") as opened:
        good = tarfile.TarInfo("good.txt")
        good.size = 4
        opened.addfile(good, io.BytesIO(b"good"))
        opened.addfile(member, io.BytesIO(b"x" * member.size))


@pytest.mark.parametrize(
    "name", ["../out.txt", "/out.txt", "a/../../out.txt", "..\\out.txt", "c:/x"]
)
@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_a_path_that_leads_out_is_refused_before_anything_is_written(tmp_path, name, kind):
    archive = tmp_path / "inner" / f"evil.{kind}"
    archive.parent.mkdir()
    if kind == "zip":
        zip_with(archive, name)
    else:
        tar_with(archive, tarfile.TarInfo(name))
    with pytest.raises(UnsafeArchive, match=r"leads out of the folder.*nothing was unpacked"):
        unpack(archive, tmp_path / "inner" / "folder")
    assert listing(tmp_path) == ["inner", f"inner/evil.{kind}"]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path, kind):
    member = tarfile.TarInfo("link")
    member.type, member.linkname = kind, "/etc"
    tar_with(tmp_path / "evil.tgz", member)
    with pytest.raises(UnsafeArchive, match="is a link or a device"):
        unpack(tmp_path / "evil.tgz", tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path):
    zip_with(tmp_path / "evil.zip", "link", attributes=0o120777)
    with pytest.raises(UnsafeArchive, match="is a link or a device"):
        unpack(tmp_path / "evil.zip", tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


CUT = {
    "EuroSAT.zip": ("eurosat", "2750"),
    "dtd-r1.0.1.tar.gz": ("dtd", "dtd"),
}


@pytest.mark.parametrize("name", CUT)
def test_a_cut_archive_is_named_and_nothing_is_made(tmp_path, name):
    task, folder = CUT[name]
    PUBLISHED[task].raw(tmp_path)
    archive = tmp_path / name
    packed(tmp_path, archive, folder)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    before = listing(tmp_path)
    with pytest.raises(ValueError, match=rf"{name}' cannot be unpacked.*download it again"):
        prepare(small(task), tmp_path)
    assert listing(tmp_path) == before
