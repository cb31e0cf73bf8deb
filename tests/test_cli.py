"""The command line, as a process of its own: what people type."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import taujp
from states import random_states
from taujp.cli import main


def run(*arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "taujp", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def files(tmp_path):
    base, ckpts = random_states(2, torch.bfloat16)
    for name, state in {"base": base, "a": ckpts[0], "c": ckpts[1]}.items():
        save_file(state, tmp_path / f"{name}.safetensors")
    return tmp_path, base, ckpts


def pair(folder):
    a, c = folder / "a.safetensors", folder / "c.safetensors"
    return "--base", folder / "base.safetensors", "--ckpt", f"{a}=0.4", "--ckpt", f"{c}=0.3"


def test_merge_writes_what_merge_many_returns(files):
    folder, base, ckpts = files
    out = folder / "out.safetensors"
    done = run("merge", *pair(folder), "--method", "ties", "--density", "0.3", "-o", out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(out)
    expected = taujp.merge_many(ckpts, [0.4, 0.3], base, method="ties", density=0.3)
    merged = load_file(out)
    assert all(torch.equal(merged[name], expected[name]) for name in base)
    with safe_open(out, "pt") as stream:
        told = json.loads(stream.metadata()["taujp"])
    assert told["method"] == "ties"
    assert told["coefs"] == [0.4, 0.3]
    assert [i["name"] for i in told["inputs"]] == ["a.safetensors", "c.safetensors"]
    assert len(told["base"]["fingerprint"]) == 16


def test_sweep_makes_a_model_a_row(files):
    folder, base, ckpts = files
    (folder / "sweep.csv").write_text("a,c\n0.1,0.2\n1,0\n0,1\n")
    inputs = ["--ckpt", folder / "a.safetensors", "--ckpt", folder / "c.safetensors"]
    where = ["--base", folder / "base.safetensors", "--coefs", folder / "sweep.csv"]
    done = run("merge", *inputs, *where, "-o", folder / "sweep")
    assert done.returncode == 0, done.stderr
    paths = done.stdout.split()
    expected = taujp.merge_many(ckpts, [[0.1, 0.2], [1, 0], [0, 1]], base)
    for path, state in zip(paths, expected, strict=True):
        merged = load_file(path)
        assert all(torch.equal(merged[name], state[name]) for name in base)


def test_dry_run_writes_nothing(files):
    folder, _, _ = files
    before = sorted(folder.iterdir())
    done = run("merge", *pair(folder), "-o", folder / "out.safetensors", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert {line.split()[0] for line in done.stdout.splitlines()} >= {
        "reads",
        "writes",
        "memory",
        "time",
    }
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "ties", "--gamma", "0.1"], "unknown option 'gamma'"),
        (["--density", "0.1"], "task_arithmetic: unknown option 'density'"),
        (["--method", "ties", "--density", "1.5"], "must lie in [0, 1]"),
        (["--dtype", "int8"], "expected float32, float16 or bfloat16"),
        (["--prefix", "nothing."], "beginning of no name"),
        (["--ckpt", "missing.safetensors=1"], "missing.safetensors"),
        (["--ckpt", "no-coefficient"], "expected PATH=COEF"),
        (["--threads", "-3"], "threads is -3; expected a whole number, from 1 to 4096"),
        (["--threads", "0"], "threads is 0; expected a whole number, from 1 to 4096"),
        (["--method", "dare_linear", "--seed", "0.7"], "seed is 0.7; expected a whole number"),
    ],
)
def test_one_clear_error(files, arguments, message):
    folder, _, _ = files
    done = run("merge", *pair(folder), *arguments, "-o", folder / "out.safetensors")
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (folder / "out.safetensors").exists()


@pytest.mark.parametrize(
    "words",
    [
        ["merge", "--ckpt", "a=1"],
        ["mergekit", "config.yml"],
        ["inspect", "a"],
        ["report", "results"],
        ["lora", "extract", "a", "b"],
        ["eval", "addition"],
    ],
)
def test_an_empty_output_is_not_the_current_folder(words, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit):
        main([*words, *([""] if words[0] == "mergekit" else ["-o", ""])])
    assert "the output path is empty; expected a name to write to" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_merges_into_an_empty_path_are_refused(files):
    folder, _, _ = files
    with pytest.raises(taujp.MergeError, match="out is '', an empty path"):
        taujp.merge_many([folder / "a.safetensors"], [1.0], folder / "base.safetensors", out="")


def test_checkpoints_that_disagree_are_told_by_flags_too(files):
    folder, _, ckpts = files
    save_file(dict(list(ckpts[0].items())[1:]), folder / "a.safetensors")
    done = run("merge", *pair(folder), "-o", folder / "out.safetensors")
    assert done.returncode == 1
    for flag in ("(--rename)", "(--prefix)", "(--missing ignore)"):
        assert flag in done.stderr


def test_warnings_are_one_line(files):
    folder, base, _ = files
    (known, tensor), *_ = base.items()
    save_file({known: torch.ones(tensor.shape)}, folder / "fisher.safetensors")
    fishers = f"{folder / 'fisher.safetensors'},{folder / 'fisher.safetensors'}"
    _, _, *inputs = pair(folder)
    options = ["--method", "fisher", "--fishers", fishers, "-q"]
    done = run("merge", *inputs, *options, "-o", folder / "out.safetensors")
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("taujp merge: fisher: ")


# The kernels' methods, and those whose weights follow from dot products or names alone.
@pytest.mark.parametrize(
    "method", [None, "slerp", "nuslerp", "multislerp", "karcher", "model_stock", "expo", "lines"]
)
def test_merging_files_never_imports_torch(files, method):
    folder, _, _ = files
    base = [] if method in ("slerp", "karcher") else [f"--base={folder / 'base.safetensors'}"]
    names = "a" if method == "expo" else "ac"
    words = [*base, *(f"--ckpt={folder / name}.safetensors=1" for name in names)]
    words += [f"--method={method}"] if method else []
    words += ["--rename=^embed$=0.weight", "--rename=^norm$=1.weight"]  # blocks, for lines
    arguments = ["merge", *words, "-o", str(folder / "out.safetensors")]
    code = (
        "import sys; from taujp.cli import main; code = main(sys.argv[1:]); "
        "sys.exit(code or ('torch' in sys.modules) * 7 or ('numpy' in sys.modules) * 8)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, check=False
    )
    assert done.returncode == 0, done


def test_info_and_methods():
    info = run("info")
    assert info.returncode == 0
    assert "SIMD" in info.stdout
    assert torch.__version__.split("+")[0] in info.stdout
    listed = run("methods")
    assert all(name in listed.stdout for name in taujp.methods())
    one = run("methods", "ties")
    assert "2306.01708" in one.stdout
    assert run("methods", "nonsense").returncode == 1


def test_a_reader_that_has_had_enough() -> None:
    command = f"{sys.executable} -m taujp methods | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("arcee_fusion")
    assert done.stderr == ""
