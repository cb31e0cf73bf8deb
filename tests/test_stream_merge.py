"""A merge from file to file gives the bits of a merge in memory, and loads as its inputs do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import taujp
from stream_files import left_in, save, state

METHODS = ["linear", "task_arithmetic", "ties", "dare_linear", "breadcrumbs", "magmax"]


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("threads", [1, 8])  # with 8, "large.weight" is one for all threads
def test_files_give_the_bits_of_memory(
    tmp_path: Path, method: str, threads: int, dtype: torch.dtype
) -> None:
    base, *ckpts = save(tmp_path, 4, dtype)
    start = None if method == "linear" else base
    out = taujp.merge_many(
        ckpts,
        [0.5, 0.3, -0.1],
        start,
        method=method,
        out=tmp_path / "o.safetensors",
        threads=threads,
    )
    assert_same(load_file(out), taujp.merge_many(ckpts, [0.5, 0.3, -0.1], start, method=method))
    assert left_in(tmp_path) == {"o.safetensors"}


@pytest.mark.parametrize("method", ["task_arithmetic", "dare_ties"])
def test_many_models_are_one_file_each(tmp_path: Path, method: str) -> None:
    base, *ckpts = save(tmp_path, 3)
    coefs = [[0.5, 0.3], [0.0, 1.0], [0.2, 0.2]]
    paths = taujp.merge_many(ckpts, coefs, base, method=method, out=tmp_path / "sweep")
    assert [Path(path).name for path in paths] == [f"00{k}.safetensors" for k in range(3)]
    for path, expected in zip(
        paths, taujp.merge_many(ckpts, coefs, base, method=method), strict=True
    ):
        assert_same(load_file(path), expected)


def test_state_dicts_and_files_mix(tmp_path: Path) -> None:
    base, first, _ = save(tmp_path, 3)
    out = taujp.merge_many([first, state(2)], [0.5, 0.3], base, out=tmp_path / "o.safetensors")
    assert_same(load_file(out), taujp.merge_many([first, state(2)], [0.5, 0.3], base))


def test_dtype_and_prefix(tmp_path: Path) -> None:
    base, *ckpts = save(tmp_path, 3)
    options = {"dtype": torch.bfloat16, "prefix": "layer."}
    out = taujp.merge_many(ckpts, [0.5, 0.3], base, out=tmp_path / "o.safetensors", **options)
    found = load_file(out)
    assert_same(found, taujp.merge_many(ckpts, [0.5, 0.3], base, **options))
    assert found["layer.bias"].dtype == torch.bfloat16
    assert torch.equal(found["large.weight"], state(0)["large.weight"])


def test_tied_tensors_are_written_under_both_names(tmp_path: Path) -> None:
    for seed in range(2):
        tensors = state(seed)
        torch.save({**tensors, "tied": tensors["layer.weight"]}, tmp_path / f"{seed}.pt")
    out = taujp.merge_many(
        [tmp_path / "1.pt"],
        [0.5],
        tmp_path / "0.pt",
        method="dare_linear",
        out=tmp_path / "o.safetensors",
    )
    found = load_file(out)
    assert torch.equal(found["tied"], found["layer.weight"])
    assert not torch.equal(found["tied"], state(0)["layer.weight"])


def test_a_sharded_folder_keeps_its_shape(tmp_path: Path) -> None:
    for seed in range(2):
        folder, tensors = tmp_path / str(seed), state(seed)
        folder.mkdir()
        names = [f"model-{i:05d}-of-00002.safetensors" for i in (1, 2)]
        where = {name: names[name.startswith("layer")] for name in tensors}
        for shard in names:
            save_file({n: t for n, t in tensors.items() if where[n] == shard}, folder / shard)
        index = {"metadata": {}, "weight_map": where}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
        (folder / "config.json").write_text(json.dumps({"seed": seed}))
    out = taujp.merge_many([tmp_path / "1"], [0.5], tmp_path / "0", out=tmp_path / "merged")
    assert {path.name for path in Path(out).iterdir()} == {
        *names, "model.safetensors.index.json", "config.json"
    }  # fmt: skip
    assert json.loads((Path(out) / "config.json").read_text()) == {"seed": 0}
    merged = taujp.merge_many([out], [1.0])
    assert_same(merged, taujp.merge_many([tmp_path / "1"], [0.5], tmp_path / "0"))


def test_the_header_says_where_it_comes_from(tmp_path: Path) -> None:
    base, *ckpts = save(tmp_path, 3)
    out = taujp.merge_many(ckpts, [0.5, 0.3], base, out=tmp_path / "o.safetensors", sha256=True)
    with safe_open(out, "pt") as file:
        said = json.loads(file.metadata()["taujp"])
    assert said["coefs"] == [0.5, 0.3]
    assert said["base"]["name"] == "0.safetensors"
    fingerprints = {entry["fingerprint"] for entry in [said["base"], *said["inputs"]]}
    assert len(fingerprints) == 3
    assert all(int(fingerprint, 16) for fingerprint in fingerprints)
    assert len(said["inputs"][0]["sha256"]["1.safetensors"]) == 64


def test_the_same_content_has_the_same_fingerprint(tmp_path: Path) -> None:
    said = []
    for threads, source in ((1, save(tmp_path, 1)[0]), (2, state(0))):
        out = taujp.merge_many(
            [source], [1.0], out=tmp_path / f"o{threads}.safetensors", threads=threads
        )
        with safe_open(out, "pt") as file:
            said.append(json.loads(file.metadata()["taujp"])["inputs"][0]["fingerprint"])
    assert said[0] == said[1]


def test_progress_counts_up_to_all_bytes(tmp_path: Path) -> None:
    base, *ckpts = save(tmp_path, 3)
    seen: list[tuple[int, int]] = []
    taujp.merge_many(
        ckpts, [0.5, 0.3], base, out=tmp_path / "o.safetensors",
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] > 3 * 4 * 1_000_003


def test_no_torch_is_imported(tmp_path: Path) -> None:
    import subprocess
    import sys

    base, *ckpts = map(str, save(tmp_path, 3))
    out = str(tmp_path / "o.safetensors")
    code = (
        "import sys, taujp\n"
        f"taujp.merge_many({ckpts}, [0.5, 0.3], {base!r}, out={out!r})\n"
        "print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["False", "False"]
