"""What `taujp eval` prints: every kind of result, with its figures in percent."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import made_protocols
from made_results import TASKS, WAYS, MadeResults
from taujp.commands.eval_protocols import PROTOCOLS
from taujp.commands.eval_tables import TABLES, table_of
from taujp.evaluate.record import RESULTS
from taujp.evaluate.schema import kind_of
from taujp.report.text_table import percent


@pytest.fixture
def made():
    return MadeResults(WAYS["linear"], seed=0)


def row(table: str, start: str) -> list[str]:
    """The cells of the first line that begins so."""
    line = next(line for line in table.splitlines() if line.startswith(start))
    return re.split(r"\s{2,}", line)[1:]


def mean(scores) -> str:
    return percent(sum(one.accuracy for one in scores) / len(scores))


def test_every_protocols_result_has_a_table(made):
    assert set(TABLES) >= set(RESULTS)
    for protocol in PROTOCOLS:
        if hasattr(made_protocols, protocol):
            result = getattr(made_protocols, protocol)(made)
        elif hasattr(made, protocol):
            result = getattr(made, protocol)()
        else:
            continue
        assert kind_of(result) == protocol
        assert len(table_of(result).splitlines()) > 2


def test_single_tasks_with_all_metrics(made):
    result = made.single()
    table = table_of(result)
    first = result.tasks[0].finetuned_test
    shares = [percent(value) for value in (first.accuracy, first.ece, first.ace)]
    assert row(table, f"{TASKS[0]}, fine-tuned") == [*shares, f"{first.nll:.3f}"]
    assert row(table, "mean, zero-shot") == [mean([t.zero_shot_test for t in result.tasks])]
    assert "trained jointly" in table_of(replace(result, training="jointly"))


def test_a_scorers_figure_stands_alone(made):
    task = made.single().tasks[0]
    bare = replace(task.finetuned_test, accuracy=0.5, ece=None, ace=None, nll=None)
    table = table_of(replace(made.single(), tasks=(replace(task, finetuned_test=bare),)))
    assert row(table, f"{TASKS[0]}, fine-tuned") == ["50.0"]


def test_subsets_by_their_size(made):
    result = made_protocols.subsets(made)
    pairs = [one for one in result.one_shot if len(one.tasks) == 2]
    table = table_of(result)
    absolute = sum(one.absolute for one in pairs) / 6
    normalised = sum(one.normalised for one in pairs) / 6
    assert row(table, "2 ")[:3] == ["6", percent(absolute), percent(normalised)]
    none = next(one for one in result.one_shot if not one.tasks)
    assert row(table, "0 ") == ["1", percent(none.all_absolute), percent(none.all_normalised)]


def test_a_map_at_its_corner_and_its_worst(made):
    result = made_protocols.disentanglement(made)
    values = [value for one in result.errors for value in one]
    table = table_of(result)
    assert row(table, "worst") == [percent(max(values))]
    middle = result.coefficients.index(min(result.coefficients, key=lambda c: abs(c - 1)))
    assert row(table, "at coefficients 0.9 and 0.9") == [percent(result.errors[middle][middle])]


def test_interference_is_four_matrices(made):
    result = made_protocols.interference(made)
    parts = table_of(result).split("\n\n")
    assert len(parts) == 4
    lost = result.lost.values[1]
    assert row(parts[3], result.lost.rows[1]) == [percent(value) + "%" for value in lost]


def test_unseen_tasks_and_ensembles_by_task(made):
    unseen, ensemble = made_protocols.unseen(made), made_protocols.ensemble(made)
    each = [one.accuracy for one in unseen.chosen.values()]
    found = row(table_of(unseen), f"merged, coefficient {unseen.coefficient:g}")
    assert found == [*map(percent, each), mean(list(unseen.chosen.values()))]
    averaged = row(table_of(ensemble), "averaged weights")
    assert averaged[-1] == mean(list(ensemble.weight_average.values()))


def test_an_analogy_beside_what_it_is_made_of(made):
    result = made_protocols.analogy(made)
    table = table_of(result)
    assert f"{result.a} : {result.b} = {result.c} : {result.d}" in table
    assert row(table, "pre-trained")[0] == percent(result.zero_shot.accuracy)
    assert row(table, "chosen: add")[0] == percent(result.chosen.scores.accuracy)
