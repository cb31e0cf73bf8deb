"""The merge by regression: its twin, its properties, files, refusals."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import taujp
from reference_merge_data import regmean, saved_statistics
from states import on
from taujp import MergeError
from tolerance import TOLERANCE, assert_same_bits

ROW = [1.0, 0.5, 2.0]
SHAPES = {"a.weight": (13, 29), "a.bias": (13,), "b.weight": (5, 5), "embed": (7, 3, 2)}


def random_world(count: int = 3, dtype: torch.dtype = torch.float32, seed: int = 0):
    """A base, fine-tunes, and Gram matrices of correlated inputs for the matrices."""
    generator = torch.Generator().manual_seed(seed)

    def like(shape):
        return torch.randn(shape, generator=generator).to(dtype)

    base = {name: like(shape) for name, shape in SHAPES.items()}
    ckpts = [{name: t + 0.3 * like(t.shape) for name, t in base.items()} for _ in range(count)]
    grams = []
    for _ in range(count):
        inputs = {n: like((90, s[1])).float() @ like((s[1], s[1])).float() for n, s in matrices()}
        grams.append({name: x.T @ x / len(x) for name, x in inputs.items()})
    return base, ckpts, grams


def matrices():
    return [(name, shape) for name, shape in SHAPES.items() if len(shape) == 2]


@pytest.mark.parametrize("based", [True, False])
@pytest.mark.parametrize("scale", [0.95, 0.3])
def test_twin(based, scale, device, dtype):
    base, ckpts, grams = random_world(dtype=dtype)
    theta0 = on(device, base) if based else None
    found = taujp.merge_many(
        [on(device, c) for c in ckpts], ROW, theta0, method="regmean", grams=grams, scale=scale
    )
    for name, shape in SHAPES.items():
        values = [c[name] for c in ckpts]
        if len(shape) == 2:
            twin = regmean(values, ROW, [g[name] for g in grams], scale)
        else:
            twin = sum(c * v.double() for c, v in zip(ROW, values, strict=True)) / sum(ROW)
        close = {"rtol": TOLERANCE[dtype].value + 1e-6, "atol": 2e-6}
        torch.testing.assert_close(found[name].cpu().double(), twin, **close)


def test_it_is_the_least_squares_solution():
    """Among all W it minimises sum_i mean |W x - W_i x|^2: the gradient there is 0."""
    torch.manual_seed(0)
    inputs = [torch.randn(50, 6).double() @ torch.randn(6, 6).double() for _ in range(2)]
    weights = [torch.randn(4, 6) for _ in range(2)]
    grams = [{"w": (x.T @ x / len(x)).float()} for x in inputs]
    (merged,) = taujp.merge_many(
        [{"w": w} for w in weights], [1, 1], method="regmean", grams=grams, scale=1.0
    ).values()
    w = merged.double().requires_grad_()
    pairs = zip(inputs, weights, strict=True)
    loss = sum((x @ (w - own.double()).T).square().sum(1).mean() for x, own in pairs)
    (gradient,) = torch.autograd.grad(loss, w)
    assert gradient.norm() < 1e-4 * loss.detach()


def test_properties():
    base, ckpts, grams = random_world()
    merge = dict(method="regmean", base=base)
    one = taujp.merge_many(ckpts[:1], [0.7], grams=grams[:1], **merge)
    equal = taujp.merge_many([ckpts[0]] * 3, ROW, grams=grams, **merge)
    there = taujp.merge_many(ckpts, ROW, grams=grams, **merge)
    back = taujp.merge_many(ckpts[::-1], ROW[::-1], grams=grams[::-1], **merge)
    alike = taujp.merge_many(ckpts, ROW, grams=grams[:1] * 3, **merge)
    diagonal = taujp.merge_many(ckpts, ROW, grams=[spread(g) for g in grams], scale=0.0, **merge)
    average = taujp.merge_many(ckpts, ROW, method="average")
    none = taujp.merge_many(ckpts, ROW, grams=grams, lambda_=0.0, **merge)
    for name, theta in ckpts[0].items():
        torch.testing.assert_close(one[name], theta, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(equal[name], theta, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(back[name], there[name], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(alike[name], average[name], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(diagonal[name], average[name], rtol=1e-5, atol=1e-5)
        assert torch.equal(none[name], base[name])


def spread(grams):
    """The same diagonal everywhere: with scale 0 nothing else counts."""
    return {
        name: g * 0.1 + torch.eye(len(g)) - (g * 0.1).diagonal().diag() for name, g in grams.items()
    }


def test_directions_without_inputs_are_as_in_the_average():
    weights = [torch.randn(4, 5), torch.randn(4, 5)]
    gram = torch.diag(torch.tensor([3.0, 0.0, 1.0, 2.0, 0.0]))
    ckpts, grams = [{"w": w} for w in weights], [{"w": gram}, {"w": gram.flip(0, 1) * 0}]
    (found,) = taujp.merge_many(ckpts, [1, 3], method="regmean", grams=grams).values()
    seen = gram.diagonal() > 0
    torch.testing.assert_close(found[:, seen], weights[0][:, seen], rtol=1e-6, atol=1e-6)
    mean = (weights[0] + 3 * weights[1]) / 4
    torch.testing.assert_close(found[:, ~seen], mean[:, ~seen], rtol=1e-6, atol=1e-6)
    nothing = [{"w": torch.zeros(5, 5)}] * 2
    (found,) = taujp.merge_many(ckpts, [1, 3], method="regmean", grams=nothing).values()
    torch.testing.assert_close(found, mean, rtol=1e-6, atol=1e-6)


def test_matrices_without_a_gram_are_averaged_and_told():
    base, ckpts, grams = random_world(2)
    del grams[1]["b.weight"]
    with pytest.warns(
        UserWarning, match=r"regmean: 1 parameters are not in all of grams.*b.weight"
    ):
        found = taujp.merge_many(ckpts, [1, 1], base, method="regmean", grams=grams)
    mean = (ckpts[0]["b.weight"] + ckpts[1]["b.weight"]) / 2
    torch.testing.assert_close(found["b.weight"], mean, rtol=1e-5, atol=1e-6)


def test_files_give_the_bits_of_memory(tmp_path):
    base, ckpts, grams = random_world(dtype=torch.bfloat16)
    paths = [tmp_path / f"{i}.safetensors" for i in range(4)]
    for path, one in zip(paths, (base, *ckpts), strict=True):
        save_file(one, path)
    sets = [
        saved_statistics(one, "grams", tmp_path / f"{i}-grams.safetensors")
        for i, one in enumerate(grams)
    ]
    out = tmp_path / "merged.safetensors"
    rows = [ROW, [0.0, 1.0, 0.0]]
    taujp.merge_many(paths[1:], rows[0], paths[0], method="regmean", grams=sets, out=out)
    expected = taujp.merge_many(ckpts, rows[0], base, method="regmean", grams=grams)
    for name, tensor in load_file(out).items():
        assert_same_bits(tensor, expected[name], name)
    with safe_open(out, "pt") as file:
        told = json.loads(file.metadata()["taujp"])["options"]["grams"]
    assert told[0].startswith("0-grams.safetensors, ")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda g: None, "grams is missing"),
        (lambda g: g[:1], "grams has 1 sets for 2"),
        (
            lambda g: [{**g[0], "a.weight": torch.eye(13)}, g[1]],
            r"shape \(13, 13\), not \(29, 29\)",
        ),
        (
            lambda g: [{**g[0], "a.weight": torch.full((29, 29), torch.nan)}, g[1]],
            "NaN or Inf in 'a",
        ),
    ],
)
def test_statistics_that_do_not_fit(change, told):
    base, ckpts, grams = random_world(2)
    with pytest.raises(MergeError, match=told):
        taujp.merge_many(ckpts, [1, 1], base, method="regmean", grams=change(grams))


def test_scale_lies_between_0_and_1():
    base, ckpts, grams = random_world(2)
    with pytest.raises(MergeError, match=r"scale is 1\.5"):
        taujp.merge_many(ckpts, [1, 1], base, method="regmean", grams=grams, scale=1.5)
