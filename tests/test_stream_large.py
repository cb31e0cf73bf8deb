"""Tensors of many tiles, held or merged in passes over them: the bits of memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import taujp
import taujp_ext

# With so many threads, and room for their small tensors divided by them, 1 MB is large.
THREADS = 64
# Rows that end where blocks of the fingerprint do, and that do not; a row of all; a row each; a
# last tile of five elements, in fp32 and bf16 alike.
SHAPES = {
    "even": (240, 768),
    "odd": (301, 1001),
    "one row": (280_003,),
    "narrow": (90_001, 3),
    "tail": (8193, 5),
}
METHODS = {
    "ties": {"density": 0.2},
    "breadcrumbs_ties": {"density": 0.5, "gamma": 0.05},
    "dare_linear": {"density": 0.5, "rescale": "l1"},
    "della": {"density": 0.5, "epsilon": 0.2, "rescale": "l1"},
    "della_linear": {"density": 0.6, "rescale": "density"},
    "della_linear, not scaled": {"density": 0.6, "rescale": None},
    "sce": {"density": 0.3},
    "arcee_fusion": {},
    "ramplus_tl": {},
}


def models(folder: Path, count: int, dtype: torch.dtype) -> list[Path]:
    paths = []
    for seed in range(count):
        random = torch.Generator().manual_seed(seed)
        paths.append(folder / f"{seed}.safetensors")
        save_file(
            {n: torch.randn(s, generator=random).to(dtype) for n, s in SHAPES.items()}, paths[-1]
        )
    return paths


@pytest.mark.parametrize("threads", [1, THREADS], ids=["held", "in passes"])
@pytest.mark.parametrize("case", METHODS)
def test_tiles_give_the_bits_of_memory(tmp_path: Path, case: str, threads: int, dtype) -> None:
    method, options = case.split(",")[0], METHODS[case]
    base, *ckpts = models(tmp_path, 2 if method == "arcee_fusion" else 4, dtype)
    weighs_itself = method in ("sce", "arcee_fusion", "ramplus_tl")
    coefs = [1.0] * len(ckpts) if weighs_itself else [0.5, 0.3, -0.1]
    out = taujp.merge_many(
        ckpts,
        coefs,
        base,
        method=method,
        out=tmp_path / "o.safetensors",
        threads=threads,
        **options,
    )
    expected = taujp.merge_many(ckpts, coefs, base, method=method, **options)
    for name, tensor in load_file(out).items():
        assert torch.equal(tensor, expected[name]), name


@pytest.mark.parametrize("where", [0, 300_000])
def test_a_nan_of_any_tile_is_named(tmp_path: Path, where: int) -> None:
    base, *ckpts = models(tmp_path, 3, torch.float32)
    spoilt = load_file(ckpts[1])
    spoilt["odd"].view(-1)[where] = float("nan")
    save_file(spoilt, ckpts[1])
    with pytest.raises(ValueError, match=rf"2\.safetensors'\): 'odd', element {where} "):
        taujp.merge_many(
            ckpts,
            [0.5, 0.5],
            base,
            method="ties",
            out=tmp_path / "o.safetensors",
            threads=THREADS,
        )


def test_memory_does_not_grow_with_a_tensor() -> None:
    assert planned_bytes(1 << 34) == planned_bytes(1 << 28) < 16 << 20


def planned_bytes(elements: int) -> int:
    """Of buffers for one tensor of 7 bf16 models, 2 threads."""
    stream = taujp_ext.stream()
    plan = stream.Plan()
    plan.recipe = stream.Recipe(
        lambdas=[1.0],
        density=[0.2] * 6,
        skip=[],
        fold="elect_weighted",
        sparsifier="magnitude",
        rescale="none",
        rounding="exact",
        normalize=True,
        keep_one=True,
    )
    plan.has_base, plan.threads, plan.coefs = True, 2, [[1.0] * 6]
    bf16 = 2
    places = [(0, 0, 2, bf16)] * 7
    plan.items = [
        stream.Item(
            copy=False, size=elements, coefs=0, sources=places, targets=[(0, 0, 2, bf16)], keys=[]
        )
    ]
    return stream.memory_bytes(plan)
