"""What task vectors do to each other: the disentanglement map, tauJp and measured interference."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from taujp.evaluate import MergedTangents, MergedWeights, disentanglement, interference
from taujp.evaluate.disentanglement import GRID
from tiny_network import NAMES, PlainSums, by_name, tiny_finetunes, tiny_network, tiny_tasks

MODES = ("standard", "post-hoc")


@pytest.fixture(scope="module")
def network():
    return tiny_network()


@pytest.fixture(scope="module")
def states(network):
    return tiny_finetunes(network)


@pytest.fixture(scope="module")
def tasks():
    return tiny_tasks()


@pytest.fixture(scope="module", params=MODES)
def mode(request):
    return request.param


@pytest.fixture(scope="module")
def models(network, states, mode):
    kind = MergedWeights if mode == "standard" else MergedTangents
    return kind(network, states)


@pytest.fixture(scope="module")
def plain(network, states, mode):
    return PlainSums(network, states, linearised=mode == "post-hoc")


# Disentanglement


def test_the_map_is_the_published_formula(models, plain, tasks, mode):
    first, second = by_name(tasks, "a", "c")
    grid = (-1.0, 0.0, 0.4, 1.0)
    found = disentanglement(models, first, second, coefficients=grid)
    assert (found.mode, found.tasks, found.coefficients) == (mode, ("a", "c"), grid)

    def differing(task, alone, row):
        pairs = zip(plain.predictions(alone, task), plain.predictions(row, task), strict=True)
        return sum(x != y for x, y in pairs) / 60

    for i, one in enumerate(grid):
        for j, other in enumerate(grid):
            row = {"a": one, "c": other}
            expected = differing(first, {"a": one}, row) + differing(second, {"c": other}, row)
            assert found.errors[i][j] == pytest.approx(expected)


def test_one_vector_alone_is_entangled_only_with_the_others_data(models, tasks):
    found = disentanglement(models, tasks[0], tasks[1])
    middle = GRID.index(0.0)
    assert len(GRID) == 21
    assert (GRID[0], GRID[-1]) == (-3.0, 3.0)
    assert found.errors[middle][middle] == 0
    assert 0 < max(map(max, found.errors)) <= 2
    swapped = disentanglement(models, tasks[1], tasks[0])
    assert torch.equal(torch.tensor(swapped.errors), torch.tensor(found.errors).T)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda t: ((t[0], t[0]), {}), "both tasks are 'a'"),
        (lambda t: ((t[0], replace(t[1], name="x")), {}), r"no vectors of \['x'\]"),
        (lambda t: ((t[0], t[1]), {"coefficients": ()}), "no coefficients"),
        (lambda t: ((replace(t[0], scorer=min), t[1]), {}), r"\['a'\] have a scorer"),
    ],
)
def test_a_map_says_what_it_cannot_do(models, tasks, wrong, message):
    arguments, options = wrong(tasks)
    with pytest.raises(ValueError, match=message):
        disentanglement(models, *arguments, **options)


# Interference


def test_interference_is_measured_and_predicted(models, network, states, plain, tasks, mode):
    found = interference(models, tasks)
    assert found.mode == mode
    tangents = PlainSums(network, states, linearised=True)
    for matrix in (found.tau_jp, found.cosine, found.changed, found.lost):
        assert matrix.rows == matrix.columns == NAMES
    for a, row in enumerate(NAMES):
        for b, task in enumerate(tasks):
            moved = tangents.logits({row: 1.0}, task, "test") - tangents.logits({}, task, "test")
            expected = moved.norm(dim=-1).mean().item()
            assert found.tau_jp.values[a][b] == pytest.approx(expected, rel=1e-5)
            alone, both = {task.name: 1.0}, {task.name: 1.0, row: 1.0}
            pairs = zip(plain.predictions(alone, task), plain.predictions(both, task), strict=True)
            assert found.changed.values[a][b] == pytest.approx(sum(x != y for x, y in pairs) / 60)
            lost = plain.accuracy(alone, task) - plain.accuracy(both, task)
            assert found.lost.values[a][b] == pytest.approx(lost)


def test_cosines_are_those_of_the_vectors(models, network, states, tasks):
    found = interference(models, tasks).cosine.values
    theta0 = network.state_dict()
    flat = [
        torch.cat([(states[name][key] - theta0[key]).double().flatten() for key in theta0])
        for name in NAMES
    ]
    for a, one in enumerate(flat):
        for b, other in enumerate(flat):
            expected = torch.cosine_similarity(one, other, dim=0).item()
            assert found[a][b] == pytest.approx(expected, abs=1e-6)
