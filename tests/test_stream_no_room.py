"""No room, no permission, no folder: the merge says where, and what to do."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from stream_files import left_in, merge, save


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_for_the_output(tmp_path: Path) -> None:
    paths, out = save(tmp_path, 3), tmp_path / "o.safetensors"
    with file_size_limit(1_000_000), pytest.raises(OSError, match=r"cannot reserve 40\d+ bytes"):
        merge(paths, out)
    assert left_in(tmp_path) == set()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed here")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk(tmp_path: Path, disk: Path) -> None:
    with pytest.raises(OSError, match="free some space"):
        merge(save(tmp_path, 3), disk / "o.safetensors")
    assert os.listdir(disk) == []


def test_a_disk_without_room_for_the_journal(tmp_path: Path, disk: Path) -> None:
    with suppress(OSError), (disk / "other").open("wb", buffering=0) as stream:
        while stream.write(bytes(4096)):
            pass
    with pytest.raises(
        OSError, match=r"cannot write '.*o.safetensors': No space .* free some space"
    ):
        merge(save(tmp_path, 3), disk / "o.safetensors")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path: Path) -> None:
    paths, closed = save(tmp_path, 3), tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with pytest.raises(PermissionError, match="choose a place where you may write"):
        merge(paths, closed / "o.safetensors")


def test_no_folder_can_be_made_there(tmp_path: Path) -> None:
    paths = save(tmp_path, 3)
    with pytest.raises(OSError, match="choose a place where you may write"):
        merge(paths, paths[0] / "o.safetensors")
