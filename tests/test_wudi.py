"""wudi: its gradient by products is the loss's own, and its steps are Adam's."""

from __future__ import annotations

import pytest
import torch

import taujp
from reference_merge import merged
from taujp import MergeError


def states(shape: tuple[int, ...], tasks: int, *, seed: int = 0):
    """A base of zeros, and task vectors of a few directions: their inputs differ."""
    generator = torch.Generator().manual_seed(seed)

    def like(*size: int) -> torch.Tensor:
        return torch.randn(size, generator=generator)

    taus = [0.02 * like(shape[0], 6) @ like(6, shape[1]) for _ in range(tasks)]
    return {"w": torch.zeros(shape)}, [{"w": tau} for tau in taus]


def loss(delta: torch.Tensor, taus: list[torch.Tensor]) -> torch.Tensor:
    return sum(((delta - t) @ t.T).square().sum() / t.square().sum() for t in taus)


# 3 tasks: wider than 6 times as high goes one task after another
@pytest.mark.parametrize("shape", [(24, 40), (40, 24), (5, 64)])
def test_three_hundred_steps_are_those_of_adam(shape):
    base, ckpts = states(shape, 3)
    found = taujp.merge_many(ckpts, [1.0, 0.5, 1.5], base, method="wudi", rate=1e-4)
    twin = merged(ckpts, [1.0, 0.5, 1.5], base, method="wudi", rate=1e-4)
    far = (found["w"].double() - twin["w"].value).norm() / twin["w"].value.norm()
    # a step is the sign of a small slope: where rounding decides that, an element goes another way
    assert far < 1e-4


def test_the_slope_is_the_gradient_of_the_loss():
    from taujp.merge.methods.wudi import _by_products, _one_by_one

    _, ckpts = states((12, 30), 3)
    taus = [c["w"] for c in ckpts]
    delta = torch.randn(12, 30, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = torch.func.grad(lambda d: loss(d, [t.double() for t in taus]))(delta)

    class Given:
        def vector(self, i: int) -> torch.Tensor:
            return taus[i].clone()

    for slope in (_by_products, _one_by_one):
        found = 2 * slope(Given(), (1.0, 1.0, 1.0))(delta.float())
        torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-5)


def test_descent_disturbs_the_tasks_less_than_their_sum():
    base, ckpts = states((30, 40), 4)
    taus = [c["w"] for c in ckpts]
    losses = [
        float(loss(taujp.merge_many(ckpts, [1.0] * 4, base, method="wudi", **o)["w"], taus))
        for o in ({"steps": 0}, {"rate": 1e-3, "steps": 30}, {"rate": 1e-3, "steps": 300})
    ]
    assert losses[0] == pytest.approx(float(loss(sum(taus), taus)), rel=1e-5)
    assert losses[1] < 0.9 * losses[0]
    assert losses[2] < 0.5 * losses[1]


def test_a_task_alone_and_a_task_of_nothing():
    base, (theta, other) = states((8, 12), 2)
    alone = taujp.merge_many([theta], [1.0], base, method="wudi")
    torch.testing.assert_close(alone["w"], theta["w"], rtol=0, atol=1e-6)
    found = taujp.merge_many([theta, base], [1.0, 1.0], base, method="wudi")
    torch.testing.assert_close(found["w"], theta["w"], rtol=0, atol=1e-6)
    none = taujp.merge_many([theta, other], [0.0, 0.0], base, method="wudi")
    assert torch.equal(none["w"], base["w"])
    base, ckpts = states((2, 40), 2)
    none = taujp.merge_many(ckpts, [0.0, 0.0], base, method="wudi")
    assert torch.equal(none["w"], base["w"])


def test_options_that_mean_nothing():
    base, ckpts = states((8, 12), 2)
    for options in ({"steps": -1}, {"rate": "fast"}, {"rate": float("nan")}):
        with pytest.raises(MergeError, match=next(iter(options))):
            taujp.merge_many(ckpts, [1.0, 1.0], base, method="wudi", **options)
