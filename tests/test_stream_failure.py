"""Whatever goes wrong: one clear error, nothing half-written, and what can be resumed is."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import taujp
from stream_files import left_in, merge, save, state

PARTIAL = ".o.safetensors.taujp-partial"


def broken_off(paths: list[Path], out: Path, error: BaseException) -> None:
    """A merge that stops with that error once its first tensors are done."""

    def progress(done: int, total: int) -> None:
        if done > 0:
            raise error

    with pytest.raises(type(error)):
        merge(paths, out, progress=progress, threads=1)


def test_an_output_that_exists_is_kept(tmp_path: Path) -> None:
    paths, out = save(tmp_path, 3), tmp_path / "o.safetensors"
    out.write_text("precious")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        merge(paths, out)
    assert out.read_text() == "precious"
    merge(paths, out, overwrite=True)
    assert load_file(out).keys() == state(0).keys()
    assert left_in(tmp_path) == {"o.safetensors"}


def test_an_empty_folder_is_written_into(tmp_path: Path) -> None:
    paths, out = save(tmp_path, 3), tmp_path / "out"
    out.mkdir()
    merge(paths, out)
    assert [path.name for path in out.iterdir()] == ["model.safetensors"]
    (tmp_path / "one.safetensors").mkdir()  # which is to become a file
    with pytest.raises(FileExistsError, match="overwrite=True"):
        merge(paths, tmp_path / "one.safetensors")


def test_a_link_to_an_empty_folder_is_kept(tmp_path: Path) -> None:
    paths, out = save(tmp_path, 3), tmp_path / "out"
    (tmp_path / "empty").mkdir()
    out.symlink_to(tmp_path / "empty")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        merge(paths, out)
    assert out.is_symlink()


def test_a_folder_with_other_files_is_not_overwritten(tmp_path: Path) -> None:
    paths, out = save(tmp_path, 3), tmp_path / "out"
    out.mkdir()
    (out / "notes.md").write_text("precious")
    with pytest.raises(taujp.MergeError, match=r"notes\.md"):
        merge(paths, out, overwrite=True)
    assert (out / "notes.md").read_text() == "precious"


def test_an_input_is_not_overwritten(tmp_path: Path) -> None:
    paths = save(tmp_path, 3)
    before = paths[1].read_bytes()
    with pytest.raises(taujp.MergeError, match="holds the input"):
        merge(paths, paths[1], overwrite=True)
    assert paths[1].read_bytes() == before


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nonfinite_inputs_are_reported_with_their_place(tmp_path: Path, bad: float) -> None:
    paths, out = save(tmp_path, 3), tmp_path / "o.safetensors"
    tensors = state(1)
    tensors["large.weight"][765_432] = bad
    save_file(tensors, paths[1])
    with pytest.raises(taujp.CheckpointError, match=re.escape("'large.weight', element 765432")):
        merge(paths, out)
    assert left_in(tmp_path) == set()
    merge(paths, out, nonfinite="allow")
    assert not load_file(out)["large.weight"][765_432].isfinite()


def test_an_input_that_changes_is_noticed(tmp_path: Path) -> None:
    paths, out = save(tmp_path, 3), tmp_path / "o.safetensors"
    checkpoint = taujp.open_checkpoint(paths[1])
    os.truncate(paths[1], paths[1].stat().st_size // 2)
    with pytest.raises(taujp.CheckpointError, match=r"1\.safetensors.* changed"):
        taujp.merge_many([checkpoint], [0.5], paths[0], out=out)
    assert left_in(tmp_path) == set()


def test_an_input_truncated_while_being_read_is_noticed(tmp_path: Path) -> None:
    paths, out = [tmp_path / f"{seed}.safetensors" for seed in range(2)], tmp_path / "o.safetensors"
    for path in paths:
        save_file({"weight": torch.zeros(40_000_000)}, path)
    timer = threading.Timer(0.02, os.truncate, (paths[1], 4096))

    def progress(done: int, total: int) -> None:
        if done == 0:
            timer.start()

    with pytest.raises(taujp.CheckpointError, match=r"1\.safetensors.* (changed|truncated)"):
        merge(paths, out, progress=progress, threads=1)
    timer.join()
    assert left_in(tmp_path) == set()


def test_two_processes_do_not_write_one_output(tmp_path: Path) -> None:
    paths, out = save(tmp_path, 3), tmp_path / "o.safetensors"

    def progress(done: int, total: int) -> None:
        with pytest.raises(taujp.MergeError, match="another process"):
            merge(paths, out)

    merge(paths, out, progress=progress)


def test_an_interrupted_merge_goes_on(tmp_path: Path) -> None:
    paths, out = save(tmp_path, 3), tmp_path / "o.safetensors"
    broken_off(paths, out, KeyboardInterrupt())
    assert left_in(tmp_path) == {PARTIAL}
    seen: list[int] = []
    merge(paths, out, progress=lambda done, total: seen.append(done))
    assert seen[0] > 0
    merge(paths, tmp_path / "fresh.safetensors")
    assert out.read_bytes() == (tmp_path / "fresh.safetensors").read_bytes()
    assert left_in(tmp_path) == {"o.safetensors", "fresh.safetensors"}


def test_another_merge_begins_anew_and_says_so(tmp_path: Path) -> None:
    paths, out = save(tmp_path, 3), tmp_path / "o.safetensors"
    broken_off(paths, out, KeyboardInterrupt())
    seen: list[int] = []
    with pytest.warns(UserWarning, match="unfinished merge of other inputs or options"):
        merge(paths[:2], out, progress=lambda done, total: seen.append(done))
    assert seen[0] == 0
    assert torch.equal(load_file(out)["scale"], merge_in_memory(paths[:2])["scale"])


def merge_in_memory(paths: list[Path]) -> dict[str, torch.Tensor]:
    base, *ckpts = paths
    return taujp.merge_many(ckpts, [0.5] * len(ckpts), base)


def test_damage_to_an_unfinished_output_is_repaired(tmp_path: Path) -> None:
    paths, out = save(tmp_path, 3), tmp_path / "o.safetensors"
    broken_off(paths, out, ValueError("stop"))
    content = tmp_path / PARTIAL / "output"
    content.write_bytes(bytes(content.stat().st_size))
    merge(paths, out)
    for name, tensor in merge_in_memory(paths).items():
        assert torch.equal(load_file(out)[name], tensor)


SLOW = """
import sys, time, taujp
base, *ckpts = sys.argv[2:]
def progress(done, total):
    print(done, flush=True)
    time.sleep(20 if done else 0.2)  # until the signal comes
taujp.merge_many(ckpts, [0.5] * len(ckpts), base, out=sys.argv[1], progress=progress, threads=1)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_merge_leaves_only_what_it_can_go_on_from(tmp_path: Path, how: int) -> None:
    paths, out = save(tmp_path, 3), tmp_path / "o.safetensors"
    command = [sys.executable, "-c", SLOW, str(out), *map(str, paths)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    while child.stdout.readline().strip() == "0":
        time.sleep(0.01)
    child.send_signal(how)
    _, errors = child.communicate(timeout=30)
    assert left_in(tmp_path) == {PARTIAL}
    if how == signal.SIGINT:
        assert "the same merge goes on from there" in errors
    merge(paths, out)
    for name, tensor in merge_in_memory(paths).items():
        assert torch.equal(load_file(out)[name], tensor)
    assert left_in(tmp_path) == {"o.safetensors"}
