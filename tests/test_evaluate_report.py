"""Tables and pictures of made-up results: every figure is where a reader looks for it."""

from __future__ import annotations

import pytest

from taujp.evaluate import (
    Addition,
    AdditionPoint,
    Negation,
    NegationPoint,
    SingleTask,
    Unqualified,
    load_result,
    save_result,
)
from taujp.report import (
    comparison_table,
    negation_comparison_table,
    plot_comparison,
    plot_tau_jp_matrix,
    tau_jp_table,
)
from taujp.tangent.metric import TauJpMatrix

MATRIX = TauJpMatrix(("a", "b"), ("a", "b", "c"), ((3.0, 0.25, 0.0), (0.125, 120.0, 0.5)))


def added(own: float, one_shot: float, tuned: float, mode: str = "linear") -> Addition:
    tasks = (SingleTask("a", 0.3, 0.31, own, own), SingleTask("b", 0.4, 0.41, own, own))

    def point(coefficient: float, accuracy: float) -> AdditionPoint:
        each = {"a": accuracy, "b": accuracy}
        return AdditionPoint(coefficient, each, accuracy, accuracy / own)

    points = (point(0.0, 0.35), point(0.4, tuned), point(1.0, one_shot))
    return Addition("task_arithmetic", {}, tasks, points, points[1], points[2], mode)


def negated(target: float) -> Negation:
    points = (NegationPoint(0.0, 0.7, 0.8), NegationPoint(0.5, target, 0.77))
    return Negation("a", "c", "least_target", 0.95, points, points[0], points[1], "linear")


RESULTS = {"ordinary": added(0.8, 0.2, 0.4, "standard"), "+ tauJp": added(0.75, 0.6, 0.66)}


def test_a_row_a_method_with_own_one_shot_and_tuned():
    header, _, ordinary, penalised = comparison_table(RESULTS).splitlines()
    assert header.split() == [
        "test,", "%", "own", "one-shot", "normalised", "tuned", "normalised", "coefficient"
    ]  # fmt: skip
    assert ordinary.split() == ["ordinary", "80.0", "20.0", "25.0", "40.0", "50.0", "0.4"]
    assert penalised.split() == ["+", "tauJp", "75.0", "60.0", "80.0", "66.0", "88.0", "0.4"]


def test_negation_side_by_side_and_its_failure():
    failed = Negation(
        "a", "c", "least_target", 0.95, (), NegationPoint(0.0, 0.7, 0.8),
        Unqualified(0.76, NegationPoint(0.05, 0.6, 0.75)),
    )  # fmt: skip
    table = negation_comparison_table({"one": negated(0.1), "two": failed})
    header, _, before, one, two = table.splitlines()
    assert "a (forget)" in header
    assert before.split() == ["pre-trained", "70.0", "80.0"]
    assert one.split() == ["one", "10.0", "77.0", "0.5"]
    assert "none keeps 95.0 % of the control" in two


def test_the_matrix_as_text():
    lines = tau_jp_table(MATRIX).splitlines()
    assert lines[0].split()[-3:] == ["a", "b", "c"]
    assert lines[3].split() == ["b", "0.125", "120", "0.5"]


def test_the_matrix_comes_back_from_disk(tmp_path):
    assert load_result(save_result(MATRIX, tmp_path / "m.json")) == MATRIX


def test_modes_come_back_from_disk_and_older_files_are_ordinary(tmp_path):
    for result in (*RESULTS.values(), negated(0.2)):
        path = save_result(result, tmp_path / "r.json")
        assert load_result(path) == result
    text = save_result(RESULTS["ordinary"], tmp_path / "old.json").read_text()
    (tmp_path / "old.json").write_text(text.replace(',\n  "mode": "standard"', ""))
    assert '"mode"' not in (tmp_path / "old.json").read_text()
    assert load_result(tmp_path / "old.json") == RESULTS["ordinary"]


def test_only_results_are_saved(tmp_path):
    with pytest.raises(TypeError, match=r"NegationPoint.*expected one of"):
        save_result(NegationPoint(0.0, 0.5, 0.5), tmp_path / "x.json")


def test_pictures_hold_every_method_and_number(tmp_path):
    for name, draw in (
        ("comparison", lambda path: plot_comparison(RESULTS, path)),
        ("matrix", lambda path: plot_tau_jp_matrix({"linear": MATRIX, "+ tauJp": MATRIX}, path)),
    ):
        assert draw(tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    # matplotlib writes the words of an SVG into comments beside their outlines.
    bars = plot_comparison(RESULTS, tmp_path / "bars.svg").read_text()
    for text in ("ordinary", "+ tauJp", "added, coefficient 1", "pre-trained"):
        assert f"<!-- {text} -->" in bars
    heat = plot_tau_jp_matrix({"linear": MATRIX}, tmp_path / "heat.svg").read_text()
    for text in ("linear", "task vector of", "0.25", "0.12", "0", "120"):
        assert f"<!-- {text} -->" in heat


def test_nothing_to_draw_is_an_error(tmp_path):
    zero = TauJpMatrix(("a",), ("a",), ((0.0,),))
    with pytest.raises(ValueError, match="no number above 0"):
        plot_tau_jp_matrix({"zero": zero}, tmp_path / "x.png")
    for empty in (comparison_table, negation_comparison_table):
        with pytest.raises(ValueError, match="no results"):
            empty({})
    with pytest.raises(ValueError, match="no results"):
        plot_comparison({}, tmp_path / "x.png")
