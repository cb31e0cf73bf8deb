"""The same training step in plain torch, three ways: in reverse through torch.func.jvp.

Written from the published idea (the strict tauJp penalty): the loss of the training rows, and the
norm of J(x; theta0) (theta - theta0) on a batch of every control set.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from tangent_step import Parameters, Problem, Step, finished, mean_norm, objective, terms
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

Tangents = Callable[[Parameters, Parameters, Tensor], tuple[Tensor, Tensor]]


def tangents_of(encoder: nn.Module) -> Tangents:
    """f0(x) and J(x; theta0) (theta - theta0); MATH attention has a forward rule, others none."""
    torch.backends.mha.set_fastpath_enabled(False)  # has none either

    def tangents(theta0: Parameters, theta: Parameters, x: Tensor) -> tuple[Tensor, Tensor]:
        tau = {name: theta[name] - theta0[name] for name in theta0}
        with sdpa_kernel(SDPBackend.MATH):
            call = lambda parameters: functional_call(encoder, parameters, (x,))  # noqa: E731
            f0, df = torch.func.jvp(call, (theta0,), (tau,))
        return f0, df

    return tangents


def compiled(encoder: nn.Module) -> Tangents:
    """`tangents_of` under torch.compile: the pass and its backward become a graph each."""
    return torch.compile(tangents_of(encoder), fullgraph=True, dynamic=False)


def published_loop(p: Problem) -> Step:
    """A jvp for the training batch and one for each control set; one backward through them all."""
    tangents = tangents_of(p.encoder)
    f0, df = tangents(p.theta0, p.theta, p.images)
    norms = [mean_norm(tangents(p.theta0, p.theta, control)[1]) for control in p.controls]
    return finished(p, objective(p, f0 + df), torch.stack(norms).mean(), p.theta)


def batched(p: Problem, tangents: Tangents) -> Step:
    """All rows in one jvp, which may be compiled."""
    return finished(p, *terms(p, *tangents(p.theta0, p.theta, p.rows)), p.theta)
