"""A killed run leaves nothing half-made; two runs do not work on one data set at a time."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path

import pytest

import taujp.data.prepare as module
from published_layouts.every import PUBLISHED
from small_layouts import small
from taujp.data.prepare import prepare
from taujp.data.staging import move_into_place, staging

KILLED_IN = {
    "placing": "place_split",
    "reading back": "manifest_of",
    "writing the manifest": "write_manifest",
    "moving": "move_into_place",
}


def killed(root: Path, function: str) -> None:
    """A run, in a process of its own, that is killed where it calls the function."""

    def run() -> None:
        setattr(module, function, lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
        module.prepare(small("eurosat"), root, again=True)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("where", KILLED_IN)
def test_a_killed_run_is_done_again(tmp_path, where):
    PUBLISHED["eurosat"].raw(tmp_path, each=5)
    killed(tmp_path, KILLED_IN[where])
    assert not (tmp_path / "prepared").exists()
    expected = prepare(small("eurosat"), tmp_path / "other", source=tmp_path).manifest
    assert prepare(small("eurosat"), tmp_path).manifest == expected
    assert sorted(path.name for path in tmp_path.iterdir()) == ["2750", "other", "prepared"]


def test_what_was_prepared_outlives_a_killed_run(tmp_path):
    PUBLISHED["eurosat"].raw(tmp_path, each=5)
    before = prepare(small("eurosat"), tmp_path)
    killed(tmp_path, "move_into_place")
    assert prepare(small("eurosat"), tmp_path).manifest == before.manifest


def folder_with(path: Path, text: str) -> Path:
    path.mkdir(parents=True)
    (path / "file").write_text(text)
    return path


def test_a_kill_between_the_two_renames_is_undone(tmp_path):
    place = tmp_path / "prepared" / "task"
    folder_with(tmp_path / ".prepare-task" / "before", "kept")
    place.parent.mkdir()
    with staging(tmp_path, "task", place) as working:
        assert (place / "file").read_text() == "kept"
        move_into_place(folder_with(working / "made", "new"), place, working)
    assert (place / "file").read_text() == "new"
    assert not (tmp_path / ".prepare-task").exists()


def test_an_error_leaves_nothing(tmp_path):
    def fail() -> None:
        with staging(tmp_path, "task", tmp_path / "place") as working:
            (working / "file").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_one_run_at_a_time(tmp_path):
    place = tmp_path / "place"
    with (
        staging(tmp_path, "task", place) as working,
        pytest.raises(BlockingIOError, match="another run prepares 'task'"),
        staging(tmp_path, "task", place),
    ):
        pytest.fail("two runs at a time")
    assert not working.exists()
    with staging(tmp_path, "other", place), staging(tmp_path, "task", place):
        pass
