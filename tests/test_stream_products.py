"""The engine's dot products: the bits of the operation over tensors, what it tells and refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

import taujp_ext
from taujp.checkpoint import open_checkpoint
from taujp.merge.file_sources import FORMATS

taujp_ext.load()

PIECE = 1 << 20
SIZES = {"large": 2 * PIECE + 4099, "odd": 1023, "one": 1, "empty": 0}


def vectors(dtype: torch.dtype, count: int) -> list[dict[str, torch.Tensor]]:
    generator = torch.Generator().manual_seed(3)
    return [
        {name: torch.randn(size, generator=generator).to(dtype) for name, size in SIZES.items()}
        for _ in range(count)
    ]


def planned(folder: Path, states: list[dict[str, torch.Tensor]], bases: int, threads: int) -> Any:
    """The engine's plan for the products of every tensor; the first `bases` states are the base."""
    stream, plan, checkpoints = taujp_ext.stream(), taujp_ext.stream().Plan(), []
    for number, state in enumerate(states):
        save_file(state, folder / f"{number}.safetensors")
        checkpoints.append(open_checkpoint(folder / f"{number}.safetensors"))
    files = [checkpoint.files[0] for checkpoint in checkpoints]
    plan.inputs = [stream.InputFile(file.path, file.size, file.mtime_ns) for file in files]
    plan.recipe = stream.Recipe(
        fold="linear", sparsifier="none", rescale="none", rounding="exact", normalize=False,
        keep_one=False, density=[1.0] * (len(states) - bases), skip=[], lambdas=[],
    )  # fmt: skip
    plan.has_base, plan.products, plan.coefs, plan.threads = bool(bases), True, [[]], threads
    plan.items = [
        stream.Item(
            copy=False, size=size, coefs=0, targets=[], keys=[],
            sources=[
                (i, c.entries[name].offset, *FORMATS[c.entries[name].dtype])
                for i, c in enumerate(checkpoints)
            ],
        )
        for name, size in SIZES.items()
    ]  # fmt: skip
    return plan


def finished(plan: Any) -> dict[str, Any]:
    job = taujp_ext.stream().Job(plan)
    while not job.wait(1.0):
        pass
    assert job.bytes_done == job.bytes_total
    names = list(SIZES)
    return {names[done.item]: done for done in job.take_finished()}


def expected(states: list[dict[str, torch.Tensor]], bases: int, name: str) -> torch.Tensor:
    """[N, N] by the operation, over pieces; above the diagonal."""
    n = len(states) - bases
    identity, total = torch.eye(n)[None], torch.zeros(n, n, dtype=torch.float64)
    for first in range(0, SIZES[name], PIECE):
        parts = [state[name][first : first + PIECE] for state in states]
        total += torch.ops.taujp.products(parts[bases:], parts[:bases], identity, False, n, 2)
    return total


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("bases", [0, 1])
def test_products_have_the_bits_of_the_operation(tmp_path: Path, dtype, bases, threads) -> None:
    states = vectors(dtype, 3 + bases)
    found = finished(planned(tmp_path, states, bases, threads))
    for name in SIZES:
        products = torch.tensor(found[name].products, dtype=torch.float64).view(3, 3)
        assert torch.equal(products.triu(), expected(states, bases, name).triu()), name
        assert torch.equal(products, products.T)
        assert not found[name].nonfinite
        fingerprint = taujp_ext.stream().fingerprint
        raw = [state[name].view(torch.uint8).numpy().tobytes() for state in states]
        assert found[name].fingerprints == [fingerprint(content) for content in raw]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("which", [0, 2])
def test_an_input_that_is_not_finite_is_told(tmp_path: Path, value: float, which: int) -> None:
    states = vectors(torch.float32, 3)
    states[which]["large"][PIECE + 7] = value
    found = finished(planned(tmp_path, states, 1, 2))
    assert [name for name, done in found.items() if done.nonfinite] == ["large"]


def test_products_too_large_are_no_fault_of_the_inputs(tmp_path: Path) -> None:
    states = vectors(torch.float32, 3)
    states[0]["odd"][0], states[1]["odd"][0] = -3e38, 3e38
    found = finished(planned(tmp_path, states, 1, 1))
    assert not found["odd"].nonfinite
    assert found["odd"].products[0] == float("inf")


def test_a_plan_that_would_also_merge_is_refused(tmp_path: Path) -> None:
    plan = planned(tmp_path, vectors(torch.float32, 2), 0, 1)
    recipe = taujp_ext.stream().Recipe(
        fold="linear", sparsifier="none", rescale="none", rounding="exact", normalize=False,
        keep_one=False, density=[1.0, 1.0], skip=[], lambdas=[1.0],
    )  # fmt: skip
    plan.recipe, plan.coefs = recipe, [[1.0, 1.0]]
    with pytest.raises(ValueError, match="products and a merge in one"):
        taujp_ext.stream().Job(plan)


def test_memory_does_not_grow_with_the_tensors(tmp_path: Path) -> None:
    plan = planned(tmp_path, vectors(torch.float32, 3), 1, 4)
    assert taujp_ext.stream().memory_bytes(plan) < 4 * (1 << 20)
