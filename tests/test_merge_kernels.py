"""What only single methods ask of the kernels: DELLA's ranks, SCE's variances, Arcee's divergences.

Bits across SIMD levels, threads and CUDA: test_levels.py, which merge_everything.py serves.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

import taujp
import taujp_ext
from reference_merge_elements import words
from taujp.merge.recipe import Recipe
from test_ops import arguments, merge_
from tolerance import assert_same_bits

NAME = "w"


def della(tau: Tensor, **options) -> Tensor:
    """One task vector, thinned by rank."""
    base = {NAME: torch.zeros_like(tau)}
    return taujp.merge_many([{NAME: tau}], [1.0], base, method="della_linear", **options)[NAME]


def heads(tau: Tensor, density: float, epsilon: float) -> Tensor:
    """Which elements stay, by a stable argsort of every row and the documented coins."""
    rows = tau.reshape(len(tau), -1) if tau.ndim > 1 else tau.reshape(1, -1)
    length = rows.shape[1]
    rank = np.argsort(np.argsort(rows.abs().numpy(), axis=1, kind="stable"), axis=1)
    odds = density + epsilon * (2 * rank / max(length - 1, 1) - 1) if length > 1 else density
    limit = np.broadcast_to(np.rint(odds * 2.0**32), rows.shape).reshape(-1)
    return (words(0, 0, NAME, tau.numel()) < torch.from_numpy(limit.copy())).view(tau.shape)


def awkward_rows() -> dict[str, Tensor]:
    """Shapes and values on which a rank may go wrong."""
    generator = torch.Generator().manual_seed(0)
    like = {
        "one row of many": (100_003,),
        "short rows": (2000, 3),
        "single elements": (50, 1),
        "at the edge of the short sort": (40, 32),
        "past it": (40, 33),
        "the longest that is counted": (30, 64),
        "the shortest with a histogram": (30, 65),
        "rows of finer bins": (3, 4099),
        "kernels": (8, 4, 3, 3),
    }
    found = {what: torch.randn(shape, generator=generator) for what, shape in like.items()}
    tied = torch.randn(30, 700, generator=generator)
    found["many equal"] = tied.bfloat16().float().mul(4).round().div(4)
    found["all equal"] = torch.full((5, 300), -0.5)
    found["mostly zero"] = tied * (torch.rand(tied.shape, generator=generator) < 0.01)
    found["steps of bf16"] = tied.bfloat16().float().sub(0.01).bfloat16().float()
    found["one outlier a row"] = torch.where(torch.arange(700) == 333, 1e6, tied)
    found["two sizes in turn"] = torch.where(torch.arange(900) % 2 == 0, 1.0, -2.0).repeat(7, 1)
    found["infinitely small"] = tied * 1e-44
    found["tiny and huge"] = tied * torch.logspace(-40, 37, 700)
    return found


@pytest.mark.parametrize("what", awkward_rows())
def test_ranks_are_those_of_a_stable_sort(what):
    tau = awkward_rows()[what]
    expected = tau * heads(tau, 0.5, 0.3)
    found = della(tau, density=0.5, epsilon=0.3, rescale=None)
    assert torch.equal(found, expected), f"{int((found != expected).sum())} of {tau.numel()}"


@pytest.mark.parametrize("what", awkward_rows())
def test_what_is_rescaled_by_its_norm_is_what_stays(what):
    tau = awkward_rows()[what]
    kept = tau * heads(tau, 0.5, 0.3)
    before, after = (x.double().abs().sum() for x in (tau, kept))
    scale = float(before / after) if min(before, after) >= 1e-7 else 1.0
    found = della(tau, density=0.5, epsilon=0.3, rescale="l1")
    torch.testing.assert_close(found.double(), kept.double() * scale, rtol=2e-7, atol=1e-44)


@pytest.mark.parametrize("what", ["one row of many", "steps of bf16", "past it"])
@pytest.mark.parametrize(("density", "epsilon"), [(0.5, 0.0), (0.5, 0.499), (0.1, 0.09)])
def test_all_odds_find_their_ranks(what, density, epsilon):
    """From those that no rank changes to those that nothing but the rank decides."""
    tau = awkward_rows()[what]
    found = della(tau, density=density, epsilon=epsilon, rescale=None)
    assert torch.equal(found, tau * heads(tau, density, epsilon))


@pytest.mark.parametrize("rescale", ["l1", "density", None])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_what_is_not_finite_is_refused_wherever_it_is(bad, rescale):
    for place in (0, 100, 799):
        tau = torch.linspace(-1, 1, 800).view(4, 200)
        tau.view(-1)[place] = bad
        with pytest.raises(taujp.CheckpointError, match=f"at element {place}"):
            della(tau, density=0.5, epsilon=0.1, rescale=rescale)


def test_density_of_zero_and_one():
    tau = torch.randn(20, 30, generator=torch.Generator().manual_seed(1))
    assert torch.equal(della(tau, density=1.0), tau)
    assert not della(tau, density=0.0).any()


def test_a_nan_that_a_coin_drops_is_still_reported():
    tau = torch.ones(4, 200)
    dropped = ~heads(tau, 0.5, 0.1)
    tau[tuple(dropped.nonzero()[0])] = math.nan
    with pytest.raises(taujp.CheckpointError, match="nan at element"):
        della(tau, density=0.5, epsilon=0.1)


def divergences(old: Tensor, new: Tensor) -> Tensor:
    """[rows], from the definition in float64."""
    p, q = (torch.softmax(side.double(), -1) + 1e-8 for side in (new, old))
    return (p * (p / q).log()).sum(-1)


def fused(old: Tensor, new: Tensor) -> Tensor:
    """Whether an element of the fine-tune was taken over."""
    merged = taujp.merge_many([{NAME: new}], [1.0], {NAME: old}, method="arcee_fusion")[NAME]
    assert bool(((merged == old) | (merged == old + (new - old))).all())
    return merged != old


@pytest.mark.parametrize("size", [1e-5, 1e-3, 0.1, 0.3, 3.0, 60.0])
@pytest.mark.parametrize("length", [1, 5, 700, 3000])
def test_importances_choose_as_in_float64(size, length):
    """Small changes, where probabilities in fp32 are rounding alone, and large ones."""
    generator = torch.Generator().manual_seed(length)
    old = torch.randn(60, length, generator=generator)
    new = old + size * torch.randn(60, length, generator=generator)
    tau = (new - old).double()
    importance = tau.abs() * divergences(old, old.double() + tau)[:, None]
    ordered = importance.flatten().sort().values
    first, middle, third = (ordered[int(q * (len(ordered) - 1))] for q in (0.25, 0.5, 0.75))
    fence = middle + 1.5 * (third - first)
    # divergences are right to a few roundings of fp32; a shift of the fence moves few elements
    close = (importance - fence).abs() <= 1e-4 * fence
    wrong = (fused(old, new) != (importance >= fence)) & ~close & (tau != 0)
    assert not wrong.any(), f"{int(wrong.sum())} of {wrong.numel()}, {int(close.sum())} close"
    assert length == 1 or close.double().mean() < 1e-3


def test_variances_that_are_equal_go_by_index():
    base = {NAME: torch.zeros(50)}
    tau = torch.tensor([0.0] * 10 + [1.0] * 40)
    merged = taujp.merge_many(
        [{NAME: tau}, {NAME: -tau}, {NAME: 3 * tau}], [1.0] * 3, base, method="sce", density=0.5
    )[NAME]
    assert merged.nonzero().flatten().tolist() == list(range(10, 30))


def test_equal_task_vectors_have_no_variance():
    """Whatever their number: a mean of three that is rounded would give them some."""
    base = {NAME: torch.zeros(1000)}
    tau = {NAME: torch.randn(1000, generator=torch.Generator().manual_seed(0))}
    merged = taujp.merge_many([tau] * 3, [1.0] * 3, base, method="sce", density=0.5)[NAME]
    assert not merged.any()


METHODS = {
    "della": (3, {"rescale": "l1"}),
    "della_linear": (3, {}),
    "sce": (3, {"density": 0.3}),
    "arcee_fusion": (1, {}),
    "ram": (3, {}),
    "ramplus_tl": (3, {"epsilon": 0.01}),
    "consensus": (3, {}),
    "nearswap": (1, {}),
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_files_give_the_bits_of_memory(method, dtype, tmp_path):
    """Tensors of one tile, of several, and one that all threads take together."""
    n, options = METHODS[method]
    generator = torch.Generator().manual_seed(0)
    shapes = {"a": (300, 700), "b": (40_000,), "c": (3, 5, 7), "d": (), "e": (0, 3)}
    base = {k: torch.randn(s, generator=generator).to(dtype) for k, s in shapes.items()}
    tuned = [
        {
            k: (v.float() + 0.02 * torch.randn(v.shape, generator=generator)).to(dtype)
            for k, v in base.items()
        }
        for _ in range(n)
    ]
    paths = [tmp_path / f"{i}.safetensors" for i in range(n + 1)]
    for path, state in zip(paths, [base, *tuned], strict=True):
        save_file(state, path)
    coefs = [[1.0] * n, [1.0] * n]
    expected = taujp.merge_many(tuned, coefs, base, method=method, lambda_=[1.0, 0.5], **options)
    for threads in (1, 2):
        outs = taujp.merge_many(
            paths[1:], coefs, paths[0], method=method, lambda_=[1.0, 0.5], **options,
            out=tmp_path / f"out{threads}", threads=threads,
        )  # fmt: skip
        for out, state in zip(outs, expected, strict=True):
            for name, tensor in load_file(out).items():
                assert_same_bits(tensor, state[name], f"{method} {name}")


def test_files_need_no_torch(tmp_path):
    for name in ("base", "tuned"):
        save_file({NAME: torch.randn(30, 40)}, tmp_path / f"{name}.safetensors")
    merges = "; ".join(
        f"taujp.merge_many(['tuned.safetensors'] * {n}, [1.0] * {n}, 'base.safetensors', "
        f"method={method!r}, out='{method}.safetensors')"
        for method, (n, _) in METHODS.items()
    )
    command = f"import sys, taujp; {merges}; assert 'torch' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", command], cwd=tmp_path, check=True, env=environment)


RANKED = {"spread": [0.2, 0.2], "dials": [], "weighting": "given", "rows": [5, 7, 600]}
OWN = {
    "rank": ("linear", "rank", RANKED),
    "importance": ("linear", "importance", RANKED),
    "variance": ("elect_unweighted", "variance", {"weighting": "squares"}),
    "changes": ("own_or_mean", "none", {"weighting": "changes", "dials": [0.1, 0.5, 0.2]}),
    "consensus": ("consensus", "none", {"dials": [0.4, 2.0]}),
    "near": ("near", "none", {}),
}


def own_arguments(case: str, device: str = "cpu") -> tuple[list, dict]:
    """merge_'s arguments in order, and those with a default by name."""
    fold, sieve, named = OWN[case]
    positional = arguments(device=device)
    positional[9:12] = [fold, sieve, "none"]
    return positional, named


@pytest.mark.parametrize("case", OWN)
def test_opcheck(case, device):
    positional, named = own_arguments(case, device.type)
    torch.library.opcheck(merge_, tuple(positional), named)


@pytest.mark.parametrize(
    ("case", "change", "message"),
    [
        ("rank", {"rows": [5, 7]}, "2 row lengths"),
        ("rank", {"rows": [5, 7, 601]}, "rows of 601 elements in a parameter of 600"),
        ("rank", {"spread": [0.2]}, "spread has 1 numbers"),
        ("rank", {"spread": [0.2, -0.2]}, "odds rise with the rank"),
        ("importance", {"rows": [0, 7, 600]}, "rows of 0 elements"),
        ("changes", {"dials": [0.1]}, "dials has 1 numbers; expected 3"),
        ("consensus", {"dials": [0.1] * 9}, "dials has 9 numbers"),
        ("variance", {"weighting": "cubes"}, "weighting is 'cubes'; expected one of: given"),
    ],
)
def test_refuses_what_would_read_out_of_bounds(case, change, message):
    positional, named = own_arguments(case)
    with pytest.raises((RuntimeError, ValueError), match=message):
        merge_(*positional, **{**named, **change})


def test_importances_need_a_base():
    positional, named = own_arguments("importance")
    positional[1] = []
    with pytest.raises(RuntimeError, match="importances need bases"):
        merge_(*positional, **named)


def test_coins_by_rank_need_keys():
    positional, named = own_arguments("rank")
    positional[5] = torch.zeros(0, dtype=torch.int64)
    with pytest.raises(RuntimeError, match="keys must be"):
        merge_(*positional, **named)


@pytest.mark.parametrize(
    ("what", "change"),
    [("rows that do not fill", {"row": 7}), ("a key for each", {"keys": []})],
)
def test_the_file_engine_refuses_too(what, change, tmp_path):
    stream = taujp_ext.stream()
    (tmp_path / "in").write_bytes(bytes(80))
    (tmp_path / "out").write_bytes(bytes(80))
    plan = stream.Plan()
    plan.recipe = stream.Recipe(
        lambdas=[1.0], density=[0.5], skip=[], fold="linear", sparsifier="rank", rescale="none",
        rounding="exact", normalize=False, keep_one=False, spread=[0.1],
    )  # fmt: skip
    plan.inputs = [stream.InputFile(str(tmp_path / "in"), 80, (tmp_path / "in").stat().st_mtime_ns)]
    plan.outputs, plan.coefs, plan.threads = [str(tmp_path / "out")], [[1.0]], 1
    item = {"copy": False, "size": 20, "coefs": 0, "keys": [1], "row": 5}
    places = {"sources": [(0, 0, 4, 0)], "targets": [(0, 0, 4, 0)]}
    plan.items = [stream.Item(**{**item, **change}, **places)]
    with pytest.raises(ValueError, match=what.replace("a key", "one key")):
        stream.Job(plan)


def test_rows_by_shape():
    ranked, important = Recipe(sparsifier="rank"), Recipe(sparsifier="importance")
    shapes = [(), (7,), (3, 4), (3, 4, 5), (0, 4)]
    assert [ranked.row(shape) for shape in shapes] == [1, 7, 4, 20, 4]
    assert [important.row(shape) for shape in shapes] == [1, 7, 4, 5, 4]
    assert Recipe().row((3, 4)) == 0
