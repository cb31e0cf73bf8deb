"""Inspections against numpy in float64, from memory and files; tables, pages and errors."""

from __future__ import annotations

import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.profiler import profile

import taujp
from adapters import on_modules, write_adapter
from states import random_states
from taujp.checkpoint import CheckpointError, to_state_dict
from taujp.cli import main
from taujp.evaluate import load_result
from taujp.evaluate.figures import figures
from taujp.inspecting import directions as directions_module
from taujp.inspecting.page import inspection_page
from taujp.inspecting.table import inspection_table
from taujp.report import write_report

SHAPES = {
    "blocks.0.weight": (24, 16),
    "blocks.0.bias": (24,),
    "blocks.2.weight": (12, 20),
    "blocks.10.weight": (8, 8),
    "head": (5, 4, 3),
}
TOP = 3


@pytest.fixture
def states():
    torch.manual_seed(3)
    base = {name: torch.randn(shape) for name, shape in SHAPES.items()}
    moved = []
    for _ in range(3):
        tau = {n: torch.randn(s) * 0.1 * (torch.rand(s) > 0.3) for n, s in SHAPES.items()}
        moved.append({name: base[name] + tau[name] for name in SHAPES})
    return base, moved


def vectors(base, moved, name):
    """tau_i in float64, as the fp32 difference that is merged."""
    return [(one[name].numpy() - base[name].numpy()).astype(np.float64) for one in moved]


def expected_elements(base, moved, names):
    """norms, cosines, changed, conflict and cancelled over these tensors, flattened."""
    tau = np.stack(
        [
            np.concatenate(parts)
            for parts in zip(
                *([one.ravel() for one in vectors(base, moved, n)] for n in names), strict=True
            )
        ]
    )
    norms = np.sqrt((tau**2).sum(1))
    signs = np.sign(tau)
    several = (signs != 0).sum(0) >= 2
    opposed = several & (signs.max(0) > 0) & (signs.min(0) < 0)
    return {
        "norms": norms,
        "cosines": tau @ tau.T / np.outer(norms, norms),
        "changed": (tau != 0).mean(1),
        "conflict": opposed.sum() / several.sum(),
        "cancelled": 1 - np.abs(tau.sum(0)).sum() / np.abs(tau).sum(),
    }


def expected_directions(base, moved, name, k):
    parts = [np.linalg.svd(tau) for tau in vectors(base, moved, name)]
    left = np.concatenate([u[:, :k] for u, _, _ in parts], 1)
    right = np.concatenate([v[:k] for _, _, v in parts])
    values = np.concatenate([s[:k] for _, s, _ in parts])
    eye = np.eye(len(values))
    crossed = (left.T @ left - eye) @ np.diag(values) @ (right @ right.T - eye)
    overlap = np.array(
        [
            [
                ((ua[:, :k].T @ ub[:, :k]) ** 2).sum() / (2 * k)
                + ((va[:k] @ vb[:k].T) ** 2).sum() / (2 * k)
                for ub, _, vb in parts
            ]
            for ua, _, va in parts
        ]
    )
    return {
        "shares": np.array([s[:k] ** 2 / (s**2).sum() for _, s, _ in parts]),
        "stable_ranks": np.array([(s**2).sum() / s[0] ** 2 for _, s, _ in parts]),
        "overlap": overlap,
        "interference": np.abs(crossed).sum() / values.sum(),
    }


def test_every_part_agrees_with_numpy_in_float64(states):
    base, moved = states
    found = taujp.inspect(moved, base, by="tensor", top=TOP)
    assert {part.name for part in found.parts} == set(SHAPES)
    for part in (*found.parts, found.whole):
        names = list(SHAPES) if part is found.whole else [part.name]
        for key, value in expected_elements(base, moved, names).items():
            np.testing.assert_allclose(getattr(part, key), value, rtol=1e-6, err_msg=key)
        theta0 = np.concatenate([base[name].numpy().ravel() for name in names])
        assert part.base_norm == pytest.approx(np.linalg.norm(theta0.astype(float)), rel=1e-6)
        assert part.parameters == theta0.size
        assert (part.directions is None) == (part.name in ("head", "blocks.0.bias"))
    for part in found.parts:
        if part.directions is not None:
            for key, value in expected_directions(base, moved, part.name, TOP).items():
                got = getattr(part.directions, key)
                np.testing.assert_allclose(got, value, atol=1e-6, rtol=1e-5, err_msg=key)


def test_layers_are_sums_and_the_whole_is_a_mean_over_matrices(states):
    base, moved = states
    found = taujp.inspect(moved, base, top=TOP)
    assert [part.name for part in found.parts] == ["blocks.0", "blocks.2", "blocks.10", "head"]
    names = ["blocks.0.weight", "blocks.0.bias"]
    for key, value in expected_elements(base, moved, names).items():
        np.testing.assert_allclose(getattr(found.parts[0], key), value, rtol=1e-6)
    each = [part.directions for part in found.parts if part.directions is not None]
    assert found.whole.directions.matrices == 3
    means = np.mean([one.stable_ranks for one in each], 0)
    np.testing.assert_allclose(found.whole.directions.stable_ranks, means)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_files_give_what_memory_gives(states, tmp_path, dtype):
    base, moved = states
    cast = [{name: value.to(dtype) for name, value in one.items()} for one in (base, *moved)]
    paths = [tmp_path / name for name in ("base", "a", "b", "c")]
    for path, state in zip(paths, cast, strict=True):
        save_file(state, f"{path}.safetensors")
    files = [f"{path}.safetensors" for path in paths]
    from_files = taujp.inspect(files[1:], files[0])
    in_memory = taujp.inspect(dict(zip("abc", cast[1:], strict=True)), cast[0])
    assert from_files.models == ("a", "b", "c")
    assert from_files.whole == in_memory.whole
    assert from_files.parts == in_memory.parts


def test_without_a_base_the_models_themselves(states):
    _, moved = states
    zero = {name: torch.zeros(shape) for name, shape in SHAPES.items()}
    found, beside = taujp.inspect(moved), taujp.inspect(moved, zero)
    assert (found.base, found.whole.base_norm, found.whole.relative_norms) == (None, None, None)
    assert found.whole.norms == beside.whole.norms
    assert found.whole.conflict == beside.whole.conflict


def test_what_is_known_of_special_vectors():
    base = {"w.weight": torch.zeros(6, 6)}
    one = {"w.weight": torch.diag(torch.tensor([2.0, 1, 0, 0, 0, 0]))}
    far = {"w.weight": torch.diag(torch.tensor([0.0, 0, 0, 0, 1, 3]))}
    same = taujp.inspect([one, one], base, top=2).whole
    assert same.cosine_between == pytest.approx(1)
    assert (same.conflict, same.cancelled) == (0, 0)
    np.testing.assert_allclose(same.directions.overlap, 1)
    opposite = taujp.inspect([one, {"w.weight": -one["w.weight"]}], base, top=2).whole
    assert opposite.cosine_between == pytest.approx(-1)
    assert (opposite.conflict, opposite.cancelled) == (1, 1)
    apart = taujp.inspect([one, far], base, top=2).whole
    assert (apart.cosine_between, apart.conflict, apart.cancelled) == (0, 0, 0)
    assert apart.directions.overlap[0][1] == pytest.approx(0, abs=1e-12)
    assert apart.directions.interference == pytest.approx(0, abs=1e-12)
    assert apart.directions.stable_ranks == pytest.approx((5 / 4, 10 / 9))


def test_a_model_that_changed_nothing_is_zero_everywhere(states):
    base, moved = states
    found = taujp.inspect([base, moved[0]], base, top=2).whole
    assert found.norms[0] == found.changed[0] == found.directions.stable_ranks[0] == 0
    assert found.cosines[0] == (0, 0)
    assert np.isfinite(found.directions.overlap).all()
    nothing = taujp.inspect([base, base], base).whole
    assert (nothing.conflict, nothing.cancelled, nothing.directions.interference) == (0, 0, 0)


def test_large_matrices_are_measured_by_a_randomised_method(monkeypatch):
    torch.manual_seed(0)
    left, right = torch.linalg.qr(torch.randn(300, 40))[0], torch.linalg.qr(torch.randn(200, 40))[0]
    matrix = left * torch.logspace(0, -2, 40) @ right.T
    exact = taujp.inspect([{"a.weight": matrix}], top=8).whole.directions
    monkeypatch.setattr(directions_module, "EXACT", 10)
    before = torch.random.get_rng_state()
    drawn = taujp.inspect([{"a.weight": matrix}], top=8).whole.directions
    assert torch.equal(torch.random.get_rng_state(), before)
    np.testing.assert_allclose(drawn.shares, exact.shares, rtol=1e-4)
    np.testing.assert_allclose(drawn.stable_ranks, exact.stable_ranks, rtol=1e-4)


def test_the_elements_are_taken_in_parts(states, monkeypatch):
    base, moved = states
    whole = taujp.inspect(moved, base, top=0)
    monkeypatch.setattr("taujp.inspecting.elements.AT_ONCE", 7)
    parts = taujp.inspect(moved, base, top=0)
    assert parts.whole.conflict == whole.whole.conflict
    assert parts.whole.changed == whole.whole.changed
    assert parts.whole.cancelled == pytest.approx(whole.whole.cancelled, rel=1e-6)
    assert parts.whole.directions is None


def test_parts_of_a_model_and_what_is_not_in_all(states):
    base, moved = states
    found = taujp.inspect(moved, base, prefix="blocks.0")
    assert found.whole.parameters == 24 * 16 + 24
    lacking = [{n: v for n, v in one.items() if n != "head"} for one in moved]
    with pytest.raises(CheckpointError, match="lacks 'head'"):
        taujp.inspect(lacking, base)
    assert taujp.inspect(lacking, base, missing="ignore").parts[-1].name == "blocks.10"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"by": "block"}, "by is 'block'"),
        ({"top": -1}, "top is -1"),
        ({"top": 1.5}, r"top is 1\.5"),
        ({"missing": "drop"}, "missing is 'drop'"),
        ({"prefix": "nowhere"}, "begin with 'nowhere'"),
        ({"checkpoints": []}, "no checkpoints"),
        ({"checkpoints": "a.safetensors"}, "one path"),
    ],
)
def test_what_makes_no_sense_is_told(states, change, told):
    base, moved = states
    with pytest.raises(ValueError, match=told):
        taujp.inspect(**{"checkpoints": moved, "base": base, **change})


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_weights_are_named(states, value):
    base, moved = states
    moved[1]["blocks.2.weight"][3, 4] = value
    with pytest.raises(CheckpointError, match=r"'blocks\.2\.weight' has NaN .* in checkpoint 1"):
        taujp.inspect(moved, base)


def test_the_command_writes_a_page_and_figures(states, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="pages are drawn by matplotlib")
    base, moved = states
    for name, state in zip(("base", "a", "b"), (base, *moved), strict=False):
        save_file(state, tmp_path / f"{name}.safetensors")
    files = [str(tmp_path / f"{name}.safetensors") for name in ("a", "b")]
    page, data = tmp_path / "page.html", tmp_path / "data.json"
    words = ["inspect", *files, "--base", str(tmp_path / "base.safetensors")]
    assert main([*words, "-o", str(page), "-o", str(data), "--title", "A & B"]) == 0
    text = capsys.readouterr().out
    assert "blocks.10" in text
    assert "whole model" in text
    found = load_result(data)
    assert found == taujp.inspect(files, tmp_path / "base.safetensors")
    assert inspection_table(found) in text
    html = page.read_text()
    assert "<title>A &amp; B</title>" in html
    assert html.count("<svg") == 6
    assert "http://" not in html.replace("http://www.w3.org", "")
    assert figures(found)["signs in conflict"] == found.whole.conflict
    assert write_report([data], tmp_path / "report.html").exists()
    assert main([*words, "-o", "page.txt"]) == 1
    assert r".html or .json" in capsys.readouterr().err
    assert main([*words, "-q", "-o", str(data / "below-a-file.html")]) == 1
    assert "inspect: cannot write" in capsys.readouterr().err


def test_the_command_looks_at_the_place_before_the_work(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    place = tmp_path / "file" / "page.html"
    assert main(["inspect", str(tmp_path / "no-such-model"), "-o", str(place)]) == 1
    assert f"inspect: cannot write '{place}'" in capsys.readouterr().err


def test_small_tensors_start_no_team_of_threads(states):
    """triu and tril do for a matrix of two rows, which took minutes on a busy machine."""
    base, moved = states
    with profile() as seen:
        taujp.inspect(moved, base, top=2)
    called = {event.key for event in seen.key_averages()}
    assert "taujp::products" in called
    assert not called & {"aten::triu", "aten::tril"}


def test_one_model_alone_has_a_page(states):
    pytest.importorskip("matplotlib", reason="pages are drawn by matplotlib")
    base, moved = states
    html = inspection_page(taujp.inspect(moved[:1], base))
    assert html.count("<svg") == 2
    assert "Cosines" not in html
    bare = inspection_page(taujp.inspect(moved[:2], top=0))
    assert bare.count("<svg") == 3
    assert "Singular" not in bare


PEAK = """
import sys, threading
import taujp, torch
torch.set_num_threads(1)
taujp.inspect([sys.argv[2]], sys.argv[1], top=0)
seen, ended = [], threading.Event()
def anonymous():
    lines = open("/proc/self/status").read().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024
def watch():
    while not ended.wait(0.001):
        seen.append(anonymous())
before, watcher = anonymous(), threading.Thread(target=watch)
watcher.start()
taujp.inspect(sys.argv[2:], sys.argv[1], top=0)
ended.set()
watcher.join()
print(max(seen) - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
def test_files_are_not_held_in_memory(tmp_path):
    paths = [str(tmp_path / f"{index}.safetensors") for index in range(5)]
    for index, path in enumerate(paths):
        torch.manual_seed(index)
        save_file({"a.weight": torch.randn(4000, 3000)}, path)
    told = subprocess.run(
        [sys.executable, "-c", PEAK, *paths], capture_output=True, text=True, check=True
    )
    assert int(told.stdout) < 48e6  # one of the five has as much


def test_shapes_of_every_kind_and_tensors_without_elements():
    base, moved = random_states(2)
    found = taujp.inspect(moved, base, by="tensor")
    empty = next(part for part in found.parts if part.name == "empty")
    assert (empty.parameters, empty.norms, empty.conflict) == (0, (0, 0), 0)
    assert found.whole.parameters == sum(value.numel() for value in base.values())
    assert "scalar" in inspection_table(found)


def test_pairs_of_random_vectors_conflict_as_chance_has_it():
    torch.manual_seed(0)
    states = [{"a.weight": torch.randn(200, 300)} for _ in range(4)]
    for count in (2, 3, 4):
        shares = [taujp.inspect(some, top=0).whole.conflict for some in combinations(states, count)]
        assert np.mean(shares) == pytest.approx(1 - 2.0 ** (1 - count), abs=0.01)


def test_adapters_are_models_of_the_base(tmp_path):
    modules = {"layers.0.q_proj": (24, 24), "layers.1.q_proj": (24, 24)}
    torch.manual_seed(0)
    base = {f"{name}.weight": torch.randn(shape) for name, shape in modules.items()}
    adapter = write_adapter(tmp_path / "tuned", on_modules(modules))
    found = taujp.inspect([adapter], base, top=8)
    assert found.models == ("tuned",)
    whole = to_state_dict(taujp.open_adapted(base, adapter))
    assert found.whole.norms == taujp.inspect([whole], base).whole.norms
    assert found.parts[0].directions.stable_ranks[0] > 1
    with pytest.raises(ValueError, match="PEFT adapter"):
        taujp.inspect([adapter])
