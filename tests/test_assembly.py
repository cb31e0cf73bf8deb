"""Models made of several merges, of views under other names, and of tensors yet to be made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import taujp
from taujp.checkpoint import (
    Checkpoint,
    CheckpointError,
    composed,
    computed_entry,
    open_checkpoint,
    tensor_of,
    to_state_dict,
)
from taujp.merge.assembly import Assembly
from taujp.merge.dry_run import dry_run
from taujp.merge.errors import MergeError
from taujp.merge.prepare import prepare
from taujp.merge.to_files import assemble_to_files
from tolerance import assert_same_bits as same_bits

METHODS = ["linear", "task_arithmetic", "ties", "dare_ties", "model_stock", "sce"]
State = dict[str, torch.Tensor]


def assert_same_states(found: State, expected: State) -> None:
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        same_bits(found[name], tensor, name)


def layers(seed: int, count: int = 3, dtype: torch.dtype = torch.float32) -> State:
    generator = torch.Generator().manual_seed(seed)
    shapes = {f"layers.{i}.weight": (40, 30) for i in range(count)}
    shapes |= {"embed": (7, 30), "norm": (30,)}
    return {name: torch.randn(s, generator=generator).to(dtype) for name, s in shapes.items()}


def saved(folder: Path, count: int, dtype: torch.dtype = torch.float32) -> list[Checkpoint]:
    paths = [folder / f"{seed}.safetensors" for seed in range(count)]
    for seed, path in enumerate(paths):
        save_file({**layers(seed, dtype=dtype), "steps": torch.tensor([3])}, path)
    return [open_checkpoint(path, label=path.stem) for path in paths]


def made_again(checkpoint: Checkpoint) -> Checkpoint:
    """The same numbers, each to be worked out, and how often that was asked for."""
    entries = {
        name: computed_entry(
            name,
            entry.dtype,
            entry.shape,
            lambda name=name: tensor_of(checkpoint, name).clone(),
            f"copy of {name} of {checkpoint.label}",
        )
        for name, entry in checkpoint.entries.items()
    }
    return replace(checkpoint, entries=entries, label=f"computed {checkpoint.label}")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("method", METHODS)
def test_what_is_worked_out_merges_like_what_lies_in_files(
    tmp_path: Path, method: str, dtype: torch.dtype
) -> None:
    ckpts = saved(tmp_path, 4, dtype)
    based, row = method != "linear", [1.0, 1.0, 1.0]
    base, others = (ckpts[0], ckpts[1:]) if based else (None, ckpts[1:])
    expected = taujp.merge_many(others, [row, row], base, method=method)
    made = [made_again(others[0]), *others[1:]]
    in_memory = taujp.merge_many(made, [row, row], base, method=method)
    written = taujp.merge_many(made, [row, row], base, method=method, out=tmp_path / "sweep")
    for merged, path, wanted in zip(in_memory, written, expected, strict=True):
        assert_same_states(merged, wanted)
        assert_same_states(load_file(path), wanted)


def test_a_base_that_is_worked_out_and_what_is_copied_from_it(tmp_path: Path) -> None:
    ckpts = saved(tmp_path, 3)
    base = made_again(ckpts[0])
    expected = taujp.merge_many(ckpts[1:], [0.5, 0.5], ckpts[0])
    written = taujp.merge_many(ckpts[1:], [0.5, 0.5], base, out=tmp_path / "o.safetensors")
    assert_same_states(load_file(written), expected)


def test_a_nan_that_is_worked_out_is_placed(tmp_path: Path) -> None:
    ckpts = saved(tmp_path, 3)
    broken = {n: t.clone() for n, t in to_state_dict(ckpts[1]).items()}
    broken["layers.1.weight"].view(-1)[17] = float("nan")
    made = made_again(open_checkpoint(broken, label="broken"))
    with pytest.raises(CheckpointError, match=r"computed broken.*layers\.1\.weight.*element 17"):
        taujp.merge_many([made, ckpts[2]], [1, 1], ckpts[0], out=tmp_path / "o.safetensors")
    with pytest.raises(CheckpointError, match=r"computed broken.*layers\.1\.weight"):
        taujp.merge_many([made, ckpts[2]], [1, 1], ckpts[0])


def test_ranks_over_the_model_refuse_what_is_worked_out(tmp_path: Path) -> None:
    ckpts = saved(tmp_path, 3)
    with pytest.raises(MergeError, match=r"trim='model'.*write the adapted model"):
        taujp.merge_many(
            [made_again(ckpts[1])],
            [1],
            ckpts[0],
            method="ties",
            trim="model",
            out=tmp_path / "o.safetensors",
        )


def test_a_promise_that_is_not_kept_is_an_error() -> None:
    entry = computed_entry("w", "F32", (2, 3), lambda: torch.zeros(3, 2), "zeros")
    with pytest.raises(CheckpointError, match=r"'w' was worked out as .*\(3, 2\); expected F32"):
        tensor_of(Checkpoint("c", {"w": entry}), "w")


def test_a_view_has_other_names_and_reads_nothing(tmp_path: Path) -> None:
    first, second = saved(tmp_path, 2)
    view = composed(
        "stack", {"a": (second, "layers.0.weight"), "b": (first, "norm"), "c": (second, "norm")}
    )
    assert list(view.entries) == ["a", "b", "c"]
    assert [Path(file.path).stem for file in view.files] == ["1", "0"]
    for name, (checkpoint, source) in {
        "a": (second, "layers.0.weight"),
        "b": (first, "norm"),
        "c": (second, "norm"),
    }.items():
        assert torch.equal(tensor_of(view, name), tensor_of(checkpoint, source))
    with pytest.raises(CheckpointError, match=r"has no tensor 'nrm'.*norm"):
        composed("stack", {"a": (first, "nrm")})
    with pytest.raises(CheckpointError, match="ties name"):
        composed("stack", {"a": (first, "norm")}, ties={"b": "a"})


def test_ties_stay_in_a_view(tmp_path: Path) -> None:
    weight = torch.randn(4, 3)
    tied = open_checkpoint({"embed": weight, "head": weight}, label="tied")
    assert composed("v", {"x": (tied, "embed"), "y": (tied, "head")}).ties == {"y": "x"}
    assert composed("v", {"y": (tied, "head")}).ties == {}


def stacked(ckpts: list[Checkpoint]) -> Assembly:
    """Layers 0, 1 of two models by task arithmetic, then layer 0 of the third by TIES twice."""
    base, one, two, three = ckpts

    def views(sources: dict[str, str], *of: Checkpoint) -> list[Checkpoint]:
        parts = [{new: (c, old) for new, old in sources.items()} for c in of]
        return [composed(c.label, p) for c, p in zip(of, parts, strict=True)]

    lower = {f"layers.{i}.weight": f"layers.{i}.weight" for i in (0, 1)} | {"norm": "norm"}
    upper = {"layers.2.weight": "layers.0.weight", "layers.3.weight": "layers.0.weight"}
    low_base, *low = views(lower, base, one, two)
    high_base, *high = views(upper, base, three)
    merges = (
        prepare(low, [0.3, 0.6], low_base),
        prepare(high, [1.0], high_base, method="ties", density=0.4),
    )
    names = {n: (base, n) for n in ("embed", "steps")} | {n: (base, o) for n, o in lower.items()}
    donor = composed("donor", names | {n: (base, o) for n, o in upper.items()})
    return Assembly(merges, donor, {"config.json": b"{}"}, {"told": "of a stack"})


def test_several_merges_make_one_model(tmp_path: Path) -> None:
    ckpts = saved(tmp_path, 4)
    base, one, two, three = (to_state_dict(c) for c in ckpts)
    [folder] = assemble_to_files(stacked(ckpts), tmp_path / "out")
    found = load_file(Path(folder) / "model.safetensors")
    low = taujp.merge_many([one, two], [0.3, 0.6], base)
    upper = taujp.merge_many([three], [1.0], base, method="ties", density=0.4)
    assert found.keys() == {*low, "layers.3.weight"}
    for name in ("layers.0.weight", "layers.1.weight", "norm"):
        assert torch.equal(found[name], low[name])
    for name in ("layers.2.weight", "layers.3.weight"):
        assert torch.equal(found[name], upper["layers.0.weight"])
    assert torch.equal(found["embed"], base["embed"])
    assert (Path(folder) / "config.json").read_bytes() == b"{}"
    with safe_open(Path(folder) / "model.safetensors", "pt") as file:
        metadata = file.metadata()
    assert metadata["told"] == "of a stack"
    said = json.loads(metadata["taujp"])
    assert [m["method"] for m in said["merges"]] == ["task_arithmetic", "ties"]
    assert [m["checkpoints"] for m in said["merges"]] == [["1", "2"], ["3"]]
    assert len(said["inputs"]) == 4
    assert "<input" not in metadata["taujp"]


def test_an_assembly_says_what_cannot_be(tmp_path: Path) -> None:
    ckpts = saved(tmp_path, 4)
    whole = stacked(ckpts)
    with pytest.raises(MergeError, match="two merges give the same parameter"):
        Assembly((whole.merges[0], whole.merges[0]), whole.donor)
    with pytest.raises(MergeError, match=r"has no \['layers.2.weight'"):
        Assembly((whole.merges[1],), ckpts[0].__class__("donor", {}))
    with pytest.raises(MergeError, match="expected as many"):
        Assembly((prepare([ckpts[0]], [[1], [2]]), whole.merges[0]), ckpts[0])


def test_a_dry_run_of_an_assembly(tmp_path: Path) -> None:
    estimate = dry_run(stacked(saved(tmp_path, 4)), tmp_path / "out")
    assert (estimate.tensors, estimate.merged_tensors) == (7, 5)
    numbers = 3 * (2 * 1200 + 30) + 2 * (2 * 1200)
    assert estimate.bytes_read == 4 * numbers + 4 * 7 * 30 + 8


@pytest.mark.parametrize(("size", "files"), [(1, 6), (4 * 1200 * 2, 3), (10**9, 1)])
def test_shards_of_a_size(tmp_path: Path, size: int, files: int) -> None:
    ckpts = saved(tmp_path, 3)
    expected = taujp.merge_many(ckpts[1:], [0.5, 0.5], ckpts[0])
    out = Path(
        taujp.merge_many(ckpts[1:], [0.5, 0.5], ckpts[0], out=tmp_path / "out", shard_size=size)
    )
    shards = sorted(out.glob("*.safetensors"))
    assert len(shards) == files
    assert_same_states({n: t for s in shards for n, t in load_file(s).items()}, expected)
    assert_same_states(to_state_dict(open_checkpoint(out)), expected)
    if files > 1:
        assert shards[0].name == f"model-00001-of-{files:05d}.safetensors"


def test_a_shard_size_that_makes_no_sense(tmp_path: Path) -> None:
    ckpts = saved(tmp_path, 2)
    with pytest.raises(MergeError, match="expected a number of bytes"):
        taujp.merge_many(ckpts, [1, 1], out=tmp_path / "o", shard_size=0)
    with pytest.raises(MergeError, match="names one file"):
        taujp.merge_many(ckpts, [1, 1], out=tmp_path / "o.safetensors", shard_size=10)


def test_results_that_float16_cannot_hold(tmp_path: Path) -> None:
    ckpts = saved(tmp_path, 2)
    whole = {"coefs": [1e6], "base": ckpts[0], "dtype": torch.float16}
    told = r"too large for float16.*'embed'.*bfloat16 or float32"
    with pytest.raises(MergeError, match=told):
        taujp.merge_many(ckpts[1:], **whole)
    with pytest.raises(MergeError, match=told):
        taujp.merge_many(ckpts[1:], out=tmp_path / "o.safetensors", **whole)
    assert not [path for path in tmp_path.iterdir() if "o.safetensors" in path.name]
    merged = taujp.merge_many(ckpts[1:], nonfinite="allow", **whole)
    written = taujp.merge_many(
        ckpts[1:], out=tmp_path / "o.safetensors", nonfinite="allow", **whole
    )
    assert merged["embed"].isinf().any()
    assert_same_states(load_file(written), merged)
