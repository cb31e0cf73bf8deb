"""PAIR: its losses, the linear programme that weighs them, and where its steps lead."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

import reference_objective as twin
from objective_inputs import assert_same, batch, by_environment, value_and_gradients
from taujp.train.objectives import make_objective
from taujp.train.objectives.pareto import balance, best_on_simplex


@pytest.mark.parametrize("gradients", ["weights", "features"])
@pytest.mark.parametrize("variance", ["sample", "population"])
def test_pair_weighs_the_twins_losses_by_the_twins_gradients(gradients, variance):
    features, head, environments = batch()
    preference = (0.2, 0.5, 0.3)
    objective = make_objective(
        "pair", preference=preference, anneal=0, gradients=gradients, variance=variance
    )
    objective.follow(head.parameters())
    loss, log = objective(features, head, environments)
    losses = twin.pair_losses(by_environment(features, environments), head, variance)
    points = [features] if gradients == "features" else list(head.parameters())
    flat = [
        torch.cat([part.flatten() for part in torch.autograd.grad(one, points, retain_graph=True)])
        for one in losses
    ]
    gram = torch.stack([torch.stack([a @ b for b in flat]) for a in flat])
    chosen = balance(losses.detach().numpy(), gram.numpy(), np.array(preference), precision=1e-4)
    weights = torch.tensor(chosen.weights)
    told = [log[f"weight_{name}"].item() for name in ("risk", "slope", "variance")]
    assert told == pytest.approx(weights.tolist(), abs=1e-9)
    assert_same(
        value_and_gradients(loss, features, head),
        value_and_gradients(weights @ losses, features, head),
    )


def test_pair_is_erm_until_its_anneal_and_then_resets_the_optimiser():
    features, head, environments = batch()
    objective, erm = make_objective("pair", anneal=2), make_objective("erm")
    assert [objective.begin(step) for step in range(5)] == [False, False, True, False, False]
    objective.begin(1)
    assert objective(features, head, environments)[0] == erm(features, head, environments)[0]
    objective.begin(2)
    with pytest.raises(RuntimeError, match=r"pair: .*expected objective\.follow\(parameters\)"):
        objective(features, head, environments)


def random_programme(generator: np.random.Generator):
    """gain, rows, bound of three losses; some without a solution, some degenerate."""
    gradients = generator.standard_normal((3, generator.integers(1, 6)))
    gradients *= 10.0 ** generator.uniform(-4, 4, (3, 1))
    gram = gradients @ gradients.T
    gain = gram @ generator.standard_normal(3)
    bound = np.where(generator.random(3) < 0.3, -np.inf, gain * generator.uniform(0, 1.5))
    bound[generator.integers(3)] = 0.0
    return gain, gram, bound


def test_the_linear_programme_is_solved_exactly():
    generator, solved = np.random.default_rng(0), 0
    for _ in range(300):
        gain, rows, bound = random_programme(generator)
        found = best_on_simplex(gain, rows, bound)
        possible, best = twin.simplex_programme(gain, rows, bound)
        if not possible or found is None:
            continue
        solved += 1
        assert found.min() >= 0
        assert found.sum() == pytest.approx(1, abs=1e-12)
        slack = np.abs(rows).max(1) * 1e-6
        assert (rows @ found >= bound - slack).all()
        assert gain @ found >= best - 1e-6 * np.abs(gain).max()
    assert solved > 150


def test_a_programme_that_has_a_solution_is_not_missed():
    generator, missed, invented = np.random.default_rng(1), 0, 0
    for _ in range(300):
        gain, rows, bound = random_programme(generator)
        possible, _ = twin.simplex_programme(gain, rows, bound)
        found = best_on_simplex(gain, rows, bound)
        missed += possible and found is None
        invented += found is not None and not possible
    assert missed <= 1  # within the solvers' tolerances of having none
    assert invented <= 3


def test_balance_weighs_the_loss_that_is_too_large_and_descent_lowers_all():
    gram = np.array([[1.0, 0.2, 0.0], [0.2, 1.0, 0.1], [0.0, 0.1, 1.0]])
    even = np.full(3, 1 / 3)
    uneven = balance(np.array([5.0, 1.0, 1.0]), gram, even, precision=1e-4)
    assert uneven.move == "balance"
    assert uneven.weights[0] == pytest.approx(1)
    equal = balance(np.array([1.0, 1.0, 1.0]), gram, even, precision=1e-4)
    assert equal.move == "descent"
    assert (gram @ equal.weights >= 0).all()
    assert equal.non_uniformity == pytest.approx(0, abs=1e-12)


CENTRES = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)


def pareto_search(preference: np.ndarray, steps: int) -> tuple[Tensor, float]:
    """Small steps on three parabolas, whose front is the triangle of their centres."""
    x, mu = torch.tensor([0.3, 0.9], dtype=torch.float64), math.inf
    for _ in range(steps):
        losses, gradients = (x - CENTRES).square().sum(1), 2 * (x - CENTRES)
        gram = (gradients @ gradients.mT).numpy()
        chosen = balance(losses.numpy(), gram, preference, precision=1e-7)
        x, mu = x - 0.005 * torch.tensor(chosen.weights) @ gradients, chosen.non_uniformity
    return x, mu


def test_steps_of_pair_reach_the_preferred_point_of_the_front():
    goal = torch.tensor([0.1, 0.3], dtype=torch.float64)
    preference = 1 / (goal - CENTRES).square().sum(1).numpy()
    x, mu = pareto_search(preference / preference.sum(), 1000)
    torch.testing.assert_close(x, goal, rtol=0, atol=0.02)
    assert mu < 1e-4


def test_a_preference_that_no_point_satisfies_stays_uneven_and_on_the_front():
    """The first loss would have to be a million times the others, and is at most a few."""
    x, mu = pareto_search(np.array([1e-6, 0.5, 0.5]), 1000)
    assert mu == pytest.approx(math.log(1.5), abs=1e-3)  # two of three are equal, the first is nil
    _, second, third = (x - CENTRES).square().sum(1)
    assert second.item() == pytest.approx(third.item(), rel=0.01)
    assert x[1] > 0  # inside the triangle
    assert x[1] < 1 - x[0].abs()


def test_without_a_solution_pair_weighs_by_its_preference():
    gram = np.array([[1.0, -1.0, 0.0], [-1.0, 0.5, -1.0], [0.0, -1.0, 1.0]])  # of no vectors
    found = balance(np.ones(3), gram, np.array([0.5, 0.3, 0.2]), precision=1e-4)
    assert found.move == "preference"
    assert found.weights.tolist() == [0.5, 0.3, 0.2]


@pytest.mark.parametrize(
    "preference", [(1.0, -1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 1.0), (1, 1, math.nan)]
)
def test_a_senseless_preference_is_refused(preference):
    with pytest.raises(ValueError, match=r"pair: preference is .*expected 3 finite numbers"):
        make_objective("pair", preference=preference)
