"""The merge that Fisher information weighs: its twin, its properties, files, refusals."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import taujp
from reference_merge_data import fisher, saved_statistics
from states import on, random_states
from stream_files import left_in
from taujp import MergeError
from tolerance import TOLERANCE, assert_same_bits

ROW = [1.0, 0.5, 2.0]


def random_fishers(base, count: int = 3, seed: int = 3):
    """Squares over many orders of magnitude, some of them 0 in all sets."""
    generator = torch.Generator().manual_seed(seed)
    nowhere = {name: torch.rand(t.shape, generator=generator) < 0.1 for name, t in base.items()}

    def one(name, like):
        size = torch.randn(like.shape, generator=generator) * 3 - 9
        return size.exp().square().masked_fill(nowhere[name], 0.0)

    return [{name: one(name, t) for name, t in base.items()} for _ in range(count)]


def expected(ckpts, row, fishers):
    return {
        name: fisher([c[name] for c in ckpts], row, [f[name] for f in fishers]) for name in ckpts[0]
    }


@pytest.mark.parametrize("based", [True, False])
def test_twin(based, device, dtype):
    base, ckpts = random_states(3, dtype)
    fishers = random_fishers(base)
    found = taujp.merge_many(
        [on(device, c) for c in ckpts],
        ROW,
        on(device, base) if based else None,
        method="fisher",
        fishers=fishers,
        normalize=False,
    )
    for name, twin in expected(ckpts, ROW, fishers).items():
        table = TOLERANCE[dtype]
        torch.testing.assert_close(
            found[name].cpu().double(), twin, rtol=table.value + 1e-6, atol=1e-6
        )


def test_floor_and_normalisation_are_what_they_say():
    base, ckpts = random_states(3)
    fishers = random_fishers(base)
    norms = [sum(t.double().square().sum() for t in f.values()).sqrt() for f in fishers]
    changed = [
        {name: (t.double() + 1e-3) / norm for name, t in f.items()}
        for f, norm in zip(fishers, norms, strict=True)
    ]
    found = taujp.merge_many(ckpts, ROW, base, method="fisher", fishers=fishers, floor=1e-3)
    for name, twin in expected(ckpts, ROW, changed).items():
        torch.testing.assert_close(found[name].double(), twin, rtol=1e-6, atol=1e-6)


def test_sets_of_any_scale_weigh_alike():
    base, ckpts = random_states(3)
    fishers = random_fishers(base)
    scaled = [{name: t * 1e4 for name, t in fishers[0].items()}, *fishers[1:]]
    found, same = (
        taujp.merge_many(ckpts, ROW, base, method="fisher", fishers=sets)
        for sets in (fishers, scaled)
    )
    for name, tensor in found.items():
        torch.testing.assert_close(tensor, same[name], rtol=1e-5, atol=1e-6)


def test_properties():
    base, ckpts = random_states(3)
    fishers = random_fishers(base)
    merge = dict(method="fisher", base=base)
    one = taujp.merge_many(ckpts[:1], [0.7], fishers=fishers[:1], **merge)
    equal = taujp.merge_many([ckpts[0]] * 3, ROW, fishers=fishers, **merge)
    there = taujp.merge_many(ckpts, ROW, fishers=fishers, **merge)
    back = taujp.merge_many(ckpts[::-1], ROW[::-1], fishers=fishers[::-1], **merge)
    alike = taujp.merge_many(ckpts, ROW, fishers=fishers[:1] * 3, **merge)
    average = taujp.merge_many(ckpts, ROW, method="average")
    half = taujp.merge_many(ckpts, ROW, fishers=fishers, lambda_=0.5, **merge)
    for name, theta in ckpts[0].items():
        torch.testing.assert_close(one[name], theta, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(equal[name], theta, rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(back[name], there[name], rtol=1e-6, atol=1e-6)
        torch.testing.assert_close(alike[name], average[name], rtol=1e-6, atol=1e-6)
        middle = base[name] + 0.5 * (there[name] - base[name])
        torch.testing.assert_close(half[name], middle, rtol=1e-6, atol=1e-6)


def test_rows_and_groups_are_merged_each_by_itself():
    base, ckpts = random_states(3)
    options = {"method": "fisher", "fishers": random_fishers(base)}
    rows = [ROW, [0.0, 1.0, 1.0]]
    together = taujp.merge_many(ckpts, rows, base, **options)
    grouped = taujp.merge_many(ckpts, {"block.*": rows[0], "*": rows[1]}, base, **options)
    for row, found, mine in zip(rows, together, (True, False), strict=True):
        alone = taujp.merge_many(ckpts, row, base, **options)
        for name in base:
            assert_same_bits(found[name], alone[name], name)
            if name.startswith("block.") == mine:
                assert_same_bits(grouped[name], alone[name], name)


def test_what_has_none_gets_the_average_and_is_told():
    base, ckpts = random_states(2)
    fishers = random_fishers(base, 2)
    del fishers[1]["norm"]
    with pytest.warns(UserWarning, match=r"fisher: 1 parameters are not in all of fishers.*: norm"):
        found = taujp.merge_many(ckpts, [1, 3], base, method="fisher", fishers=fishers)
    mean = (ckpts[0]["norm"].double() + 3 * ckpts[1]["norm"].double()) / 4
    torch.testing.assert_close(found["norm"].double(), mean, rtol=1e-6, atol=1e-6)


def test_files_give_the_bits_of_memory_and_say_what_was_used(tmp_path, dtype):
    base, ckpts = random_states(3, dtype)
    big = torch.randn(3, 70_001)
    for state, extra in zip((base, *ckpts), (big[0] * 0, *big), strict=True):
        state["large"] = extra.to(dtype)
    fishers = random_fishers(base)
    paths = {}
    for i, state in enumerate((base, *ckpts)):
        paths[i] = tmp_path / f"{i}.safetensors"
        save_file(state, paths[i])
    sets = []
    for i, one in enumerate(fishers):
        sets.append(saved_statistics(one, "fisher", tmp_path / f"{i}-fisher.safetensors"))
    out = tmp_path / "merged.safetensors"
    taujp.merge_many(
        [paths[1], paths[2], paths[3]], ROW, paths[0], method="fisher", fishers=sets, out=out
    )
    memory = taujp.merge_many(ckpts, ROW, base, method="fisher", fishers=fishers)
    for name, tensor in load_file(out).items():
        assert_same_bits(tensor, memory[name], name)
    with safe_open(out, "pt") as file:
        told = json.loads(file.metadata()["taujp"])
    assert [text.split(",")[0] for text in told["options"]["fishers"]] == [p.name for p in sets]
    assert left_in(tmp_path) == {"merged.safetensors"}


def test_an_unfinished_merge_does_not_go_on_with_other_statistics(tmp_path, monkeypatch):
    from taujp.merge import worked_batch

    monkeypatch.setattr(worked_batch, "BATCH_TENSORS", 1)
    base, ckpts = random_states(2)
    paths = [tmp_path / f"{i}.safetensors" for i in range(3)]
    for path, one in zip(paths, (base, *ckpts), strict=True):
        save_file(one, path)
    out, fishers = tmp_path / "o.safetensors", random_fishers(base, 2)

    def stop(done, total):
        if done > 0.5 * total:
            raise KeyboardInterrupt

    merge = dict(ckpts=paths[1:], coefs=[1, 1], base=paths[0], method="fisher", out=out)
    with pytest.raises(KeyboardInterrupt):
        taujp.merge_many(fishers=fishers, progress=stop, **merge)
    with pytest.warns(UserWarning, match="unfinished merge of other inputs or options"):
        taujp.merge_many(fishers=fishers[::-1], **merge)
    memory = taujp.merge_many(ckpts, [1, 1], base, method="fisher", fishers=fishers[::-1])
    for name, tensor in load_file(out).items():
        assert_same_bits(tensor, memory[name], name)


def broken(fishers, change):
    fishers[1]["block.weight"] = change(fishers[1]["block.weight"])
    return fishers


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: None, "fishers is missing; expected 2: one of taujp.gather_fisher"),
        (lambda f: f[:1], "fishers has 1 sets for 2 checkpoints"),
        (lambda f: broken(f, lambda t: t[:3]), r"'block.weight' of shape \(3, 129\), not \(67, 12"),
        (lambda f: broken(f, lambda t: t - 1.0), "below 0 or NaN"),
        (lambda f: broken(f, lambda t: t * torch.nan), "below 0 or NaN"),
        (
            lambda f: [{"other": torch.ones(3)}] * 2,
            r"has none of the parameters .* but \['other'\]",
        ),
    ],
)
def test_statistics_that_do_not_fit(change, told):
    base, ckpts = random_states(2)
    fishers = change(random_fishers(base, 2))
    with pytest.raises(MergeError, match=told):
        taujp.merge_many(ckpts, [1, 1], base, method="fisher", fishers=fishers)


@pytest.mark.parametrize("row", [[0.0, 0.0], [1.0, -0.5]])
def test_coefficients_that_make_no_average(row):
    base, ckpts = random_states(2)
    with pytest.raises(MergeError, match="they weigh the statistics"):
        taujp.merge_many(ckpts, row, base, method="fisher", fishers=random_fishers(base, 2))


def test_statistics_of_another_kind(tmp_path):
    base, ckpts = random_states(2)
    path = saved_statistics(random_fishers(base, 1)[0], "grams", tmp_path / "grams.safetensors")
    with pytest.raises(MergeError, match="holds 'grams'; expected 'fisher' statistics"):
        taujp.merge_many(ckpts, [1, 1], base, method="fisher", fishers=[path, path])
