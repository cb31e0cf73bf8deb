"""A step of open_clip's towers against the published loop: loss, penalty, every gradient."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from open_clip.transformer import LayerNormFp32, QuickGELU, VisionTransformer
from torch import nn

import taujp
import taujp.tangent.tower
from plain_jvp import (
    assert_agree,
    by_taujp,
    by_torch,
    difference,
    gradient_differences,
    random_theta,
)

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))
from tangent_peers import published_loop
from tangent_step import Problem, Step, dual_step, linearized, problem

# Relative, of each parameter's gradient: sums of 10^4 to 10^6 terms, in another order than torch's.
TOLERANCE = {torch.float64: 1e-13, torch.float32: 5e-6}
PATCHES = {50: 32, 197: 16, 257: 14}  # tokens of a 224 x 224 image, class token included


def tower(tokens: int = 50, width: int = 64, layers: int = 2, **options: Any) -> VisionTransformer:
    torch.manual_seed(0)
    heads = max(2, width // 64)
    return VisionTransformer(
        224, PATCHES[tokens], width, layers, heads, 4.0, **{"output_dim": 32, **options}
    ).eval()


def assert_same_step(ours: Step, theirs: Step, tolerance: float) -> None:
    distances = {
        "loss": difference(ours.loss, theirs.loss),
        "penalty": difference(ours.penalty, theirs.penalty),
        **gradient_differences(ours.grad_theta, theirs.grad_theta),
    }
    wrong = {name: d for name, d in distances.items() if not d <= tolerance}
    assert not wrong, f"off by more than {tolerance}: {wrong}"


@pytest.mark.parametrize("how", [{}, {"chunk": 3}, {"backend": "generic"}], ids=str)
@pytest.mark.parametrize("tokens", PATCHES)
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["fp64", "fp32"])
def test_step_of_published_loop(dtype: torch.dtype, tokens: int, how: dict[str, Any]) -> None:
    p = problem(tower(tokens).to(dtype), train=3, controls=2, rows=2)
    lin = linearized(p, **how)
    assert_same_step(dual_step(p, lin), published_loop(p), TOLERANCE[dtype])
    assert lin.backend == how.get("backend", "dual")


@pytest.mark.slow
@pytest.mark.parametrize("dtype", TOLERANCE, ids=["fp64", "fp32"])
def test_step_of_vit_b_32(dtype: torch.dtype) -> None:
    encoder = tower(width=768, layers=12, output_dim=512).to(dtype)
    p = problem(encoder, train=1, controls=2, rows=1)
    assert_same_step(dual_step(p, linearized(p)), published_loop(p), TOLERANCE[dtype])


@pytest.mark.gpu
def test_step_on_a_gpu(gpu: torch.device) -> None:
    p = problem(tower(197, width=128).to(gpu), train=3, controls=2, rows=2)
    assert_same_step(dual_step(p, linearized(p)), published_loop(p), TOLERANCE[torch.float32])


def at_start(p: Problem) -> Problem:
    """The same problem at theta = theta0."""
    theta = {name: t.clone().requires_grad_() for name, t in p.theta0.items()}
    return Problem(p.encoder, p.theta0, theta, p.head, p.images, p.labels, p.controls)


def test_tau_zero_is_finite_and_has_the_loop_s_gradient() -> None:
    p = at_start(problem(tower().double(), train=3, controls=2, rows=2))
    lin = linearized(p)
    step = dual_step(p, lin)
    assert step.penalty == 0
    assert all(grad.isfinite().all() for grad in step.grad_theta.values())
    assert_same_step(step, published_loop(p), TOLERANCE[torch.float64])
    f0, df = lin.dual(p.images)
    assert torch.count_nonzero(df) == 0
    assert difference(f0, p.encoder(p.images)) < 1e-14


def test_bf16_tangent_is_within_a_percent() -> None:
    """tau is formed in fp32 and cast; the difference of weights cast first would be lost."""
    encoder = tower(width=128, layers=4)
    theta = random_theta(encoder, 1e-4)
    images = torch.randn(4, 3, 224, 224)
    exact = by_torch(encoder.double(), doubled(theta), images.double()).df[0]
    lin = taujp.linearize(encoder.float(), at=theta)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        df = lin.dual(images)[1]
    assert difference(df.double(), exact) < 0.01
    lost = {name: t.bfloat16().float() for name, t in theta.items()}
    cast_first = taujp.linearize(encoder.bfloat16().float(), at=lost)
    with torch.no_grad():
        assert difference(cast_first.dual(images)[1].double(), exact) > 0.1


def doubled(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: t.double() for name, t in state.items()}


def test_bf16_gradient_is_that_of_fp32_to_its_rounding() -> None:
    p = problem(tower(width=128, layers=2), train=4, controls=2, rows=2)
    exact = dual_step(p, linearized(p))
    with torch.autocast("cpu", torch.bfloat16):
        step = dual_step(p, linearized(p))
    ours, theirs = (
        torch.cat([grad.flatten() for grad in one.grad_theta.values()]) for one in (step, exact)
    )
    assert difference(ours, theirs) < 0.03
    assert all(grad.dtype == torch.float32 for grad in step.grad_theta.values())


OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "as CLIP": ({}, "dual"),
    "quick gelu": ({"act_layer": QuickGELU}, "dual"),
    "layer scale": ({"ls_init_value": 0.1}, "dual"),
    "average of tokens": ({"pool_type": "avg"}, "dual"),
    "all tokens too": ({"output_tokens": True}, "dual"),
    "norm after the pool": ({"pool_type": "avg", "final_ln_after_pool": True}, "dual"),
    "no first norm": ({"no_ln_pre": True}, "dual"),
    "norm in fp32": ({"norm_layer": LayerNormFp32}, "dual"),
    "fixed positions": ({"pos_embed_type": "sin_cos_2d"}, "dual"),
    "one layer": ({"layers": 1}, "dual"),
    "attention pool": ({"attentional_pool": True, "attn_pooler_heads": 2}, "generic"),
    "normed queries and scaled heads": (
        {"block_type": "custom", "qk_norm": True, "scale_heads": True, "scale_fc": True},
        "dual",
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_towers_of_every_kind(name: str) -> None:
    options, expected = OPTIONS[name]
    torch.manual_seed(0)
    sizes = {"image_size": 32, "patch_size": 8, "width": 16, "layers": 2, "heads": 2}
    encoder = VisionTransformer(**{**sizes, "mlp_ratio": 2.0, "output_dim": 8, **options})
    # LayerNormFp32 takes fp32 weights only.
    in_fp32 = options.get("norm_layer") is LayerNormFp32
    dtype, tolerance = (torch.float32, 1e-5) if in_fp32 else (torch.float64, 1e-12)
    encoder = encoder.to(dtype).eval()
    for parameter in encoder.parameters():  # ones and zeros would hide a term
        nn.init.normal_(parameter, mean=parameter.mean().item(), std=0.2)
    images, theta = torch.randn(3, 3, 32, 32, dtype=dtype), random_theta(encoder)
    plain = by_torch(encoder, theta, images)
    for chunk in (None, 2):
        lin = taujp.linearize(encoder, at=theta, chunk=chunk)
        assert_agree(by_taujp(lin, images), plain, tolerance)
        assert lin.backend == expected, repr(lin)


def test_many_tangents_are_those_of_one_at_a_time() -> None:
    encoder, images = tower().double(), torch.randn(3, 3, 224, 224, dtype=torch.float64)
    lin = taujp.linearize(encoder)
    generator = torch.Generator().manual_seed(5)
    taus = [
        {name: torch.randn(t.shape, generator=generator).to(t) for name, t in lin.theta0.items()}
        for _ in range(3)
    ]
    taus[1] = {name: tau for name, tau in taus[1].items() if "attn" in name}
    f0, dfs = lin.tangents(images, task_vectors=taus)
    for tau, df in zip(taus, dfs, strict=True):
        theta = {name: t + tau.get(name, 0) for name, t in lin.theta0.items()}
        alone = by_torch(encoder, theta, images)
        assert difference(df, alone.df[0]) < 1e-12
        assert difference(f0, alone.f0[0]) < 1e-13


def test_a_large_batch_in_parts_of_rows_is_the_whole_batch(monkeypatch):
    """A tower's rows are computed in parts on the CPU; here in parts of two."""
    p = problem(tower().double(), train=5, controls=1, rows=2)
    lin = linearized(p)
    whole = dual_step(p, lin)
    monkeypatch.setattr(taujp.tangent.tower, "LARGEST_ACTIVATION", 2 * 50 * 4 * 64 * 8)
    assert_same_step(dual_step(p, lin), whole, TOLERANCE[torch.float64])
