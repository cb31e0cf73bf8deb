"""The invariance objectives: values and gradients against the twin, state, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import reference_objective as twin
from objective_inputs import NAMES, assert_same, batch, by_environment, value_and_gradients
from taujp.train.objectives import Environments, HeadOfEach, make_objective, objectives

CASES = [
    ("erm", {}, 0, {}),
    *[
        ("irmv1", {"estimator": estimator, "rescale": rescale}, step, {"weight": weight})
        for estimator in ("split", "square")
        for rescale in (False, True)
        for step, weight in ((499, 1.0), (500, 1e2))
    ],
    *[
        ("vrex", {"variance": variance, "rescale": rescale}, step, {"weight": weight})
        for variance in ("population", "sample")
        for rescale in (False, True)
        for step, weight in ((0, 1.0), (700, 10.0))
    ],
    *[
        (
            "ib_irm",
            {"over": over, "estimator": estimator, "rescale": rescale, "bottleneck_anneal": 3},
            step,
            {"weight": weight, "bottleneck": bottleneck},
        )
        for over in ("all", "environment", "class")
        for estimator, rescale in (("split", True), ("square", False))
        for step, weight, bottleneck in ((2, 1.0, 0.0), (500, 1e2, 1.0))
    ],
]


@pytest.mark.parametrize(("name", "options", "step", "told"), CASES)
def test_equals_double_backward(name, options, step, told):
    features, head, environments = batch()
    objective = make_objective(name, **options)
    objective.begin(step)
    loss, log = objective(features, head, environments)
    rows = by_environment(features, environments)
    given = {key: value for key, value in options.items() if key != "bottleneck_anneal"}
    expected = getattr(twin, name)(rows, head, **given, **told)
    assert_same(
        value_and_gradients(loss, features, head), value_and_gradients(expected, features, head)
    )
    risks = twin.risks(rows, head)
    assert [log[f"risk_{one}"].item() for one in NAMES] == pytest.approx(risks.tolist(), rel=1e-12)
    assert not any(value.requires_grad for value in log.values())
    assert all(value.dim() == 0 for value in log.values())


@pytest.mark.parametrize("scales", ["environment", "shared"])
@pytest.mark.parametrize("estimator", ["square", "split"])
def test_birm_equals_double_backward(scales, estimator):
    features, head, environments = batch()
    objective = make_objective("birm", scales=scales, estimator=estimator, weight=30.0)
    objective.begin(1234)
    loss, _ = objective(features, head, environments)
    drawn = objective.drawn_scales(3)
    assert drawn.shape == (5, 3)
    assert bool((drawn == drawn[:, :1]).all()) == (scales == "shared")
    rows = by_environment(features, environments)
    expected = twin.birm(rows, head, weight=30.0, scales=drawn, estimator=estimator)
    assert_same(
        value_and_gradients(loss, features, head), value_and_gradients(expected, features, head)
    )


def test_birms_scales_are_a_function_of_seed_and_step():
    objective = make_objective("birm", draws=2000, deviation=0.2)
    objective.begin(7)
    first = objective.drawn_scales(3)
    objective.begin(8)
    assert not torch.equal(objective.drawn_scales(3), first)
    objective.begin(7)
    assert torch.equal(objective.drawn_scales(3), first)
    assert first.mean().item() == pytest.approx(1, abs=0.02)
    assert first.std().item() == pytest.approx(0.2, rel=0.05)
    other = make_objective("birm", draws=2000, deviation=0.2, seed=1)
    other.load_state_dict(objective.state_dict())  # the step is state, the seed a setting
    assert not torch.equal(other.drawn_scales(3), first)


# State


@pytest.mark.parametrize("name", ["irmv1", "vrex", "ib_irm", "birm"])
def test_the_optimiser_is_reset_at_the_anneal_alone(name):
    objective = make_objective(name, anneal=3)
    assert [objective.begin(step) for step in range(6)] == [False] * 3 + [True] + [False] * 2
    assert not make_objective(name, anneal=0).begin(0)


@pytest.mark.parametrize("name", sorted(set(objectives()) - {"irm_game"}))
def test_a_saved_step_goes_on_to_the_same_loss(name):
    features, head, environments = batch()
    first, second = make_objective(name), make_objective(name)
    for objective in (first, second):
        objective.follow(head.parameters())
    first.begin(600)
    second.load_state_dict(first.state_dict())
    losses = [objective(features, head, environments)[0] for objective in (first, second)]
    assert losses[0] == losses[1]


def test_order_of_rows_does_not_matter_but_for_the_split():
    features, head, environments = batch()
    mixed = torch.randperm(len(features))
    moved = Environments(environments.labels[mixed], environments.index[mixed], NAMES)
    for name, options in (("irmv1", {"estimator": "square"}), ("vrex", {}), ("birm", {})):
        objective = make_objective(name, **options)
        one = objective(features, head, environments)[0]
        torch.testing.assert_close(objective(features[mixed], head, moved)[0], one)


def test_the_split_estimator_is_unbiased_and_the_square_is_not():
    """Against the squared slope of a whole population, over batches drawn from it."""
    features, head, environments = batch((4000,), ("all",))
    truth = twin.slope(by_environment(features, environments)[0], head).item() ** 2
    mean = {}
    for estimator in ("split", "square"):
        objective, found = make_objective("irmv1", estimator=estimator), []
        for _ in range(400):
            rows = torch.randint(0, 4000, (16,))
            own = Environments(environments.labels[rows], environments.index[rows], ("all",))
            found.append(objective(features.detach()[rows], head, own)[1]["penalty"].item())
        mean[estimator] = np.mean(found), np.std(found) / math.sqrt(len(found))
    split, error = mean["split"]
    assert abs(split - truth) < 4 * error
    square, error = mean["square"]
    assert square - truth > 4 * error


# Bad input, and what is documented


def test_one_environment_is_enough_for_some():
    features, head, environments = batch((9,), ("only",))
    for name in ("erm", "irmv1", "ib_irm", "birm"):
        loss, _ = make_objective(name)(features, head, environments)
        assert loss.isfinite()
    for name in ("vrex", "pair"):
        with pytest.raises(ValueError, match=f"{name}: there is one environment, 'only'"):
            make_objective(name)(features, head, environments)


def test_an_environment_without_a_row_is_named():
    with pytest.raises(ValueError, match=r"no row belongs to \['rain'\]; expected at least one"):
        Environments(torch.zeros(3).long(), torch.tensor([0, 2, 0]), NAMES)
    with pytest.raises(ValueError, match="no row belongs to any environment"):
        Environments(torch.zeros(0).long(), torch.zeros(0).long(), ())
    with pytest.raises(ValueError, match="index goes from 0 to 3, names has 3"):
        Environments(torch.zeros(3).long(), torch.tensor([0, 2, 3]), NAMES)
    with pytest.raises(ValueError, match=r"labels is torch\.int32"):
        Environments(torch.zeros(3).int(), torch.tensor([0, 1, 2]), NAMES)
    with pytest.raises(ValueError, match="3 labels and 2 indices"):
        Environments(torch.zeros(3).long(), torch.tensor([0, 1]), NAMES)


def test_a_split_needs_two_rows_of_an_environment():
    features, head, environments = batch((4, 1, 3))
    with pytest.raises(ValueError, match=r"irmv1: environment 'rain' has 1 row.*='square'"):
        make_objective("irmv1")(features, head, environments)
    assert make_objective("irmv1", estimator="square")(features, head, environments)[0].isfinite()


@pytest.mark.parametrize("wrong", [-1, 4])
@pytest.mark.parametrize("name", sorted(set(objectives()) - {"irm_game"}))
def test_a_label_outside_the_range_names_its_environment(name, wrong):
    features, head, environments = batch()
    row = int(torch.nonzero(environments.index == 1)[0, 0])
    environments.labels[row] = wrong
    with pytest.raises(ValueError, match=f"{name}: a label of environment 'rain' is {wrong}"):
        make_objective(name)(features, head, environments)


def test_a_logit_that_is_nan_names_its_environment():
    features, head, environments = batch()
    with torch.no_grad():
        features[torch.nonzero(environments.index == 2)[0, 0]] = torch.nan
    with pytest.raises(ValueError, match="vrex: the risk of environment 'snow' is nan"):
        make_objective("vrex")(features, head, environments)


def test_a_class_absent_in_an_environment_is_fine():
    features, head, environments = batch()
    environments.labels[environments.index == 0] = 2
    for name in ("irmv1", "vrex", "birm", "ib_irm"):
        options = {"over": "class"} if name == "ib_irm" else {}
        assert make_objective(name, **options)(features, head, environments)[0].isfinite()


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("irmv2", {}, "objective is 'irmv2'; expected one of birm, erm"),
        ("irmv1", {"lambda": 3}, "irmv1: unknown option 'lambda'; its options are weight, anneal"),
        ("erm", {"weight": 3}, "its options are none"),
        ("irm_game", {}, "irm_game: members is not given; expected it: The predictor is"),
        ("vrex", {"weight": -1.0}, "vrex: weight is -1.0; expected a finite number, 0 or more"),
        ("vrex", {"weight": "3"}, "vrex: weight is '3'; expected a finite number"),
        ("birm", {"draws": 0}, "birm: draws is 0; expected at least 1"),
        ("irmv1", {"estimator": "both"}, "expected one of \\['split', 'square'\\]"),
    ],
)
def test_senseless_settings_are_refused(name, options, message):
    with pytest.raises(ValueError, match=message):
        make_objective(name, **options)


# Heads of their own


def test_each_environment_goes_through_its_own_head():
    features, _, environments = batch(classes=3)
    heads = [nn.Linear(6, classes).double() for classes in (3, 5, 4)]
    environments.labels[environments.index == 1] = 4
    loss, _ = make_objective("irmv1", weight=3.0, anneal=0)(
        features, HeadOfEach(heads), environments
    )
    rows = by_environment(features, environments)
    pairs = list(zip(rows, heads, strict=True))
    risk = torch.stack([twin.risk(own, head) for own, head in pairs]).mean()
    penalty = torch.stack([twin.squared_slope(own, head, "split") for own, head in pairs]).mean()
    found, expected = (torch.autograd.grad(one, features)[0] for one in (loss, risk + 3 * penalty))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_a_label_that_only_another_head_has_is_named():
    features, _, environments = batch(classes=3)
    heads = HeadOfEach([nn.Linear(6, classes).double() for classes in (3, 5, 3)])
    environments.labels[environments.index == 2] = 4
    with pytest.raises(ValueError, match=r"risk of environment 'snow' is inf.*a label that its"):
        make_objective("erm")(features, heads, environments)
