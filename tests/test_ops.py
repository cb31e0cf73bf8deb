"""The operations as torch sees them: schema, fake kernel, what they refuse, indices beyond 2^31."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import taujp_ext
from reference import heads
from taujp.merge.recipe import coin_key

taujp_ext.load()
merge_ = torch.ops.taujp.merge_
products = torch.ops.taujp.products


def arguments(n: int = 2, k: int = 2, p: int = 3, device: str = "cpu") -> list:
    """merge_'s arguments for p parameters of n checkpoints and k results."""
    shapes = [(4, 5), (7,), (600,)][:p]
    sources = [torch.randn(shape, device=device) for shape in shapes for _ in range(n)]
    bases = [torch.randn(shape, device=device) for shape in shapes]
    results = [torch.zeros(shape, device=device) for shape in shapes for _ in range(k)]
    tables = [torch.randn(1, k, n), torch.zeros(p, dtype=torch.int64)]
    keys = torch.arange(p * n)
    names = ["elect_weighted", "magnitude", "none", "exact"]
    flags = [True, True, False, False, 1]
    return [sources, bases, results, *tables, keys, [1.0] * k, [0.5] * n, [], *names, *flags]


def test_opcheck(device):
    torch.library.opcheck(merge_, tuple(arguments(device=device.type)))
    sources, bases = arguments(device=device.type)[:2]
    torch.library.opcheck(products, (sources, bases, torch.randn(1, 3, 2), False, 3, 1))


def test_fake_kernels_know_the_shapes():
    from torch._subclasses.fake_tensor import FakeTensorMode

    with FakeTensorMode():
        faults = merge_(*arguments())
        assert (faults.shape, faults.dtype) == ((3,), torch.int8)
        sources, bases = arguments()[:2]
        dots = products(sources, bases, torch.randn(1, 3, 2), False, 2, 1)
        assert (dots.shape, dots.dtype) == ((2, 3), torch.float64)


def broken(position: int, change) -> list:
    changed = arguments()
    changed[position] = change(changed[position])
    return changed


@pytest.mark.parametrize(
    ("position", "change", "message"),
    [
        (0, lambda t: t[:-1], "sources for 2 checkpoints"),
        (0, lambda t: [t[0].T.contiguous().T, *t[1:]], "not contiguous"),
        (0, lambda t: [t[0].double(), *t[1:]], "not float32, float16 or bfloat16"),
        (0, lambda t: [t[0], t[1][:2].contiguous(), *t[2:]], "elements, expected 20"),
        (1, lambda t: t[:-1], "bases for 3 parameters"),
        (2, lambda t: t[:-1], "results for 3 parameters"),
        (2, lambda t: [t[0], t[1].half(), *t[2:]], "differ in dtype"),
        (3, lambda t: t[:, :1], r"coefs must be \[groups, 2, 2\]"),
        (4, lambda t: t + 5, "group 5 of 1"),
        (5, lambda t: t[:-1], "keys must be"),
        (9, lambda _: "median", "fold is 'median'; expected one of: linear"),
        (12, lambda _: "F8", "rounding is 'F8'"),
    ],
)
def test_refuses_what_would_read_out_of_bounds(position, change, message):
    # torch 2.13 raises what C++ throws as a ValueError, 2.15 as a RuntimeError
    with pytest.raises((RuntimeError, ValueError), match=message):
        merge_(*broken(position, change))


@pytest.mark.parametrize("first", [2**31 - 700, 2**32 - 700, 2**33 + 11])
def test_indices_beyond_31_and_32_bits(first):
    stream = taujp_ext.stream()
    count, cut = 1400, first + 650
    kept = stream.before_cut(cut, first, count)
    assert kept == [1.0] * 650 + [0.0] * 750
    key = coin_key(3, 1, "a.weight")
    drawn = np.array(stream.heads_from(key, 0.3, first, count)) > 0
    parts = [stream.heads_from(key, 0.3, first + start, 100) for start in range(0, count, 100)]
    assert (drawn == (np.concatenate(parts) > 0)).all()
    assert 0.25 < drawn.mean() < 0.35


def test_coins_are_the_published_hash():
    stream = taujp_ext.stream()
    drawn = torch.tensor(stream.heads_from(coin_key(5, 2, "name"), 0.4, 0, 5000)) > 0
    assert torch.equal(drawn, heads(5, 2, "name", 5000, 0.4))
