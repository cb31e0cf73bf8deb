"""Tables and pictures of made-up results: every figure is where a reader looks for it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from made_results import TASKS, WAYS, MadeResults
from taujp.evaluate.results import (
    Addition,
    AdditionPoint,
    Negation,
    NegationPoint,
    SingleTask,
    Unqualified,
)
from taujp.evaluate.task_scores import Scores
from taujp.report import (
    addition_table,
    comparison_table,
    negation_comparison_table,
    negation_table,
    plot_addition,
    plot_comparison,
    plot_negation,
    plot_tau_jp_matrix,
    tau_jp_table,
)
from taujp.tangent.metric import TauJpMatrix

MATRIX = TauJpMatrix(("a", "b"), ("a", "b", "c"), ((3.0, 0.25, 0.0), (0.125, 120.0, 0.5)))


def right(accuracy: float) -> Scores:
    return Scores(accuracy, 1000)


def added(own: float, one_shot: float, tuned: float, mode: str = "linear") -> Addition:
    tasks = tuple(
        SingleTask(name, *map(right, (zero, zero + 0.01, own, own)))
        for name, zero in (("a", 0.3), ("b", 0.4))
    )

    def point(coefficient: float, accuracy: float) -> AdditionPoint:
        each = {"a": right(accuracy), "b": right(accuracy)}
        return AdditionPoint({"a": coefficient, "b": coefficient}, each, accuracy, accuracy / own)

    points = (point(0.0, 0.35), point(0.4, tuned), point(1.0, one_shot))
    return Addition(
        mode, "task_arithmetic", {}, "common", tasks, points, points[1], points[2]
    )  # fmt: skip


def at(coefficient: float, target: float, control: float) -> NegationPoint:
    return NegationPoint(coefficient, right(target), right(control))


def negated(target: float) -> Negation:
    points = (at(0.0, 0.7, 0.8), at(0.5, target, 0.77))
    return Negation(
        "linear", "task_arithmetic", "a", "c", "least_target", 0.95, points, points[0], points[1],
        at(1.0, 0.02, 0.33),
    )  # fmt: skip


RESULTS = {"ordinary": added(0.8, 0.2, 0.4, "standard"), "+ tauJp": added(0.75, 0.6, 0.66)}
FAILED = replace(negated(0.1), chosen=Unqualified(0.76, at(0.05, 0.6, 0.75)))


def test_a_row_a_method_with_own_one_shot_and_tuned():
    header, _, ordinary, penalised = comparison_table(RESULTS).splitlines()
    assert header.split() == [
        "test,", "%", "own", "one-shot", "normalised", "tuned", "normalised", "coefficient"
    ]  # fmt: skip
    assert ordinary.split() == ["ordinary", "80.0", "20.0", "25.0", "40.0", "50.0", "0.4"]
    assert penalised.split() == ["+", "tauJp", "75.0", "60.0", "80.0", "66.0", "88.0", "0.4"]


def test_negation_side_by_side_and_its_failure():
    table = negation_comparison_table({"one": negated(0.1), "two": FAILED})
    header, _, before, one, two = table.splitlines()
    assert "a (forget)" in header
    assert before.split() == ["pre-trained", "70.0", "80.0"]
    assert one.split() == ["one", "10.0", "77.0", "0.5"]
    assert "none keeps 95.0 % of the control" in two


def test_one_addition_task_by_task():
    table = addition_table(RESULTS["ordinary"])
    lines = [line.split() for line in table.splitlines()]
    assert ["zero-shot", "31.0", "41.0", "36.0"] in lines
    assert ["merged,", "coefficient", "0.4", "40.0", "40.0", "40.0", "50.0"] in lines
    assert ["0", "35.0", "35.0", "35.0", "43.7"] in lines


def test_coefficients_that_differ_are_named():
    result = RESULTS["ordinary"]
    by_task = replace(result.chosen, coefficients={"a": 0.25, "b": 0.5})
    by_layer = replace(result.chosen, coefficients={"a": {"early": 0.1}, "b": {"early": 0.2}})
    assert "a 0.25, b 0.5" in addition_table(replace(result, chosen=by_task))
    assert "one a layer" in addition_table(replace(result, chosen=by_layer))


def test_one_negation_before_chosen_and_one_shot():
    lines = [line.split() for line in negation_table(negated(0.1)).splitlines()]
    assert ["pre-trained", "70.0", "80.0"] in lines
    assert ["negated,", "coefficient", "0.5", "10.0", "77.0"] in lines
    assert ["negated,", "coefficient", "1", "2.0", "33.0"] in lines
    assert "no coefficient keeps 76.0%; closest 0.05" in negation_table(FAILED)


def test_the_matrix_as_text():
    lines = tau_jp_table(MATRIX).splitlines()
    assert lines[0].split()[-3:] == ["a", "b", "c"]
    assert lines[3].split() == ["b", "0.125", "120", "0.5"]


def test_pictures_hold_every_method_and_number(tmp_path):
    for name, draw in (
        ("comparison", lambda path: plot_comparison(RESULTS, path)),
        ("matrix", lambda path: plot_tau_jp_matrix({"linear": MATRIX, "+ tauJp": MATRIX}, path)),
        ("addition", lambda path: plot_addition(RESULTS["ordinary"], path)),
        ("negation", lambda path: plot_negation(negated(0.1), path)),
        ("failed", lambda path: plot_negation(FAILED, path)),
    ):
        assert draw(tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    bars = plot_comparison(RESULTS, tmp_path / "bars.svg").read_text()
    for text in ("ordinary", "+ tauJp", "added, coefficient 1", "pre-trained"):
        assert f">{text}</text>" in bars
    heat = plot_tau_jp_matrix({"linear": MATRIX}, tmp_path / "heat.svg").read_text()
    for text in ("linear", "task vector of", "0.25", "0.12", "0", "120"):
        assert f">{text}</text>" in heat


def test_a_picture_is_the_same_file_again(tmp_path):
    result = MadeResults(WAYS["linear"], 0).addition()
    once = plot_addition(result, tmp_path / "a.svg").read_bytes()
    assert plot_addition(result, tmp_path / "b.svg").read_bytes() == once
    assert all(f">{task}</text>".encode() in once for task in TASKS)


def test_nothing_to_draw_is_an_error(tmp_path):
    zero = TauJpMatrix(("a",), ("a",), ((0.0,),))
    with pytest.raises(ValueError, match="no number above 0"):
        plot_tau_jp_matrix({"zero": zero}, tmp_path / "x.png")
    for empty in (comparison_table, negation_comparison_table):
        with pytest.raises(ValueError, match="no results"):
            empty({})
    with pytest.raises(ValueError, match="no results"):
        plot_comparison({}, tmp_path / "x.png")
    point = replace(RESULTS["ordinary"].validation[1], coefficients={"a": 0.1, "b": 0.2})
    by_task = replace(RESULTS["ordinary"], scheme="task", validation=(point,))
    with pytest.raises(ValueError, match=r"scheme 'task'; expected 'common'"):
        plot_addition(by_task, tmp_path / "x.png")
