"""What is no file in the ordinary sense is neither read, which would wait, nor replaced."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import taujp
from stream_files import left_in, save
from taujp.cli import main


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "pipe.safetensors")
    return tmp_path / "pipe.safetensors"


def test_a_pipe_is_no_checkpoint(pipe):
    with pytest.raises(taujp.CheckpointError, match="is a pipe or a device"):
        taujp.open_checkpoint(pipe)


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_pipe_is_no_output(pipe, tmp_path, overwrite):
    base, *ckpts = save(tmp_path, 2)
    before = left_in(tmp_path)
    with pytest.raises((taujp.MergeError, FileExistsError), match="pipe"):
        taujp.merge_many(ckpts, [0.5] * len(ckpts), base, out=pipe, overwrite=overwrite)
    assert pipe.is_fifo()
    assert left_in(tmp_path) == before


@pytest.mark.parametrize("suffix", [".pt", ".bin"])
def test_no_folder_is_named_like_a_torch_file(tmp_path, suffix):
    base, one = save(tmp_path, 2)
    with pytest.raises(taujp.MergeError, match=r"end it in \.safetensors for one file"):
        taujp.merge_many([one], [0.5], base, out=tmp_path / f"merged{suffix}")


def test_coefficients_are_given_once(tmp_path, capsys):
    base, one, *_ = save(tmp_path, 2)
    (tmp_path / "sweep.csv").write_text("0.5\n")
    words = ["merge", f"--base={base}", f"--ckpt={one}=0.3", f"--coefs={tmp_path / 'sweep.csv'}"]
    assert main([*words, "-o", str(tmp_path / "out"), "-q"]) == 1
    assert "--coefs gives the coefficients" in capsys.readouterr().err


def test_options_of_files_are_for_files(tmp_path):
    base, one = save(tmp_path, 2)
    with pytest.raises(taujp.MergeError, match="overwrite, threads say how files are written"):
        taujp.merge_many([one], [0.5], base, overwrite=True, threads=1)
