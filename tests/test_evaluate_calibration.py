"""Calibration: bins of equal mass, Brier, temperatures, and what they say of merged models."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from scipy.optimize import minimize_scalar

import taujp.evaluate.calibration_figures  # noqa: F401
from reference_calibration import softmax
from taujp.commands.eval_calibration import (
    add_calibration,
    calibration_table,
    evaluate_calibration,
)
from taujp.evaluate import Outputs, merged_models
from taujp.evaluate.calibration import Calibration, calibration
from taujp.evaluate.calibration_metrics import (
    brier_score,
    equal_mass_calibration_error,
    top_label_calibration_error,
)
from taujp.evaluate.environments import METRICS, calibrate, calibration_scores, spreads
from taujp.evaluate.figures import figures
from taujp.evaluate.metrics import negative_log_likelihood, scores
from taujp.evaluate.schema import checked, plain
from taujp.evaluate.temperature import LEAST, MOST, at_temperature, fit_temperature
from tiny_network import NAMES, PlainSums, tiny_finetunes, tiny_network, tiny_tasks


def made(count: int, classes: int = 5, *, seed: int = 0, ties: bool = False):
    """Logits that know a little of their labels; with ties, few different ones."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (count,), generator=generator)
    logits = 2 * torch.randn(count, classes, generator=generator, dtype=torch.float64)
    logits[torch.arange(count), labels] += 1
    return (logits / 2).round() * 2 if ties else logits, labels


def plain_parts(logits, labels, parts: int) -> list[tuple[int, float]]:
    """(size, |accuracy - confidence|) of every range by Python's loops; ties share their hits."""
    rows = [softmax(row) for row in logits.tolist()]
    pairs = sorted(
        (max(row), row.index(max(row)) == label)
        for row, label in zip(rows, labels.tolist(), strict=True)
    )
    parts, count = min(parts, len(pairs)), len(pairs)
    found = []
    for part in range(parts):
        inside = range(part * count // parts, (part + 1) * count // parts)
        gap = 0.0
        for place in inside:
            alike = [hit for confidence, hit in pairs if confidence == pairs[place][0]]
            gap += sum(alike) / len(alike) - pairs[place][0]
        found.append((len(inside), abs(gap) / len(inside)))
    return found


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("count", "parts"), [(1, 15), (7, 15), (60, 15), (100, 7), (64, 1)])
def test_equal_mass_and_top_label_are_their_formulas(count, parts, ties):
    # A power of two of equal logits: their probabilities are the same bits in both programs.
    logits, labels = made(count, classes=4, seed=count, ties=ties)
    probabilities = torch.tensor([softmax(row) for row in logits.tolist()], dtype=torch.float64)
    found = plain_parts(logits, labels, parts)
    mass = sum(size * gap for size, gap in found) / count
    top = sum(gap for _, gap in found) / len(found)
    assert equal_mass_calibration_error(probabilities, labels, bins=parts) == pytest.approx(mass)
    assert top_label_calibration_error(probabilities, labels, ranges=parts) == pytest.approx(top)
    if count % parts == 0:
        assert mass == pytest.approx(top)


def test_the_order_of_the_data_does_not_matter():
    logits, labels = made(90, ties=True)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(1))
    assert calibration_scores(logits, labels).metrics() == pytest.approx(
        calibration_scores(logits[order], labels[order]).metrics()
    )


def test_brier_is_its_formula_and_0_for_sure_and_right():
    logits, labels = made(50)
    probabilities = logits.softmax(-1)
    each = [
        sum((p - (k == label)) ** 2 for k, p in enumerate(row))
        for row, label in zip(probabilities.tolist(), labels.tolist(), strict=True)
    ]
    assert brier_score(probabilities, labels) == pytest.approx(sum(each) / 50)
    sure = torch.eye(3)[[0, 2, 1]]
    assert brier_score(sure, torch.tensor([0, 2, 1])) == 0
    assert brier_score(sure, torch.tensor([1, 0, 2])) == 2


def test_a_calibrated_model_has_small_errors_and_an_overconfident_one_large():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, 3, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    for metric in ("ece", "ece_equal_mass", "ace", "ace_top_label"):
        assert calibration_scores(logits, labels).metrics()[metric] < 0.015, metric
        assert calibration_scores(4 * logits, labels).metrics()[metric] > 0.1, metric
    assert fit_temperature(4 * logits, labels) == pytest.approx(4, rel=0.05)


@pytest.mark.parametrize("seed", range(5))
def test_the_temperature_is_where_scipy_finds_the_least_nll(seed):
    logits, labels = made(200, seed=seed)
    logits = logits * 10.0 ** (seed - 2)
    found = fit_temperature(logits, labels)
    twin = minimize_scalar(
        lambda log_t: negative_log_likelihood(logits / math.exp(log_t), labels),
        bounds=(math.log(LEAST), math.log(MOST)),
        method="bounded",
        options={"xatol": 1e-9},
    )
    expected = min(max(math.exp(twin.x), LEAST), MOST)
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_temperature_undoes_a_scale_and_keeps_predictions():
    logits, labels = made(300)
    found = fit_temperature(logits, labels)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3 * found, rel=1e-8)
    assert fit_temperature(logits + 7, labels) == pytest.approx(found, rel=1e-8)
    scaled = at_temperature(logits, found)
    assert torch.equal(scaled.argmax(-1), logits.argmax(-1))
    assert negative_log_likelihood(scaled, labels) <= negative_log_likelihood(logits, labels)


def test_what_has_no_best_temperature_gets_an_end_of_the_range():
    logits, _ = made(50)
    assert fit_temperature(logits, logits.argmax(-1)) == LEAST
    assert fit_temperature(logits, logits.argmin(-1)) == MOST
    assert fit_temperature(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])) == MOST


def test_what_cannot_be_fitted_is_named():
    logits, labels = made(10)
    with pytest.raises(ValueError, match=r"labels \(9,\); expected \[n, classes\] and \[n\]"):
        fit_temperature(logits, labels[:9])
    with pytest.raises(ValueError, match="NaN or inf"):
        fit_temperature(logits.where(logits < 2, math.nan), labels)
    with pytest.raises(ValueError, match="labels go from"):
        fit_temperature(logits[:, :2], torch.full((10,), 2))
    with pytest.raises(ValueError, match=r"temperature is 0\.0"):
        at_temperature(logits, 0.0)
    with pytest.raises(ValueError, match="number of bins is 0"):
        equal_mass_calibration_error(logits.softmax(-1), labels, bins=0)


def outputs(seed: int, scale: float = 1.0, count: int = 200) -> Outputs:
    logits, labels = made(count, seed=seed)
    return Outputs(scale * logits, labels)


def test_temperatures_come_from_validation_alone():
    validation = {"a": outputs(0, 2.0), "b": outputs(1, 0.5)}
    test = {"a": outputs(2, 2.0), "b": outputs(3, 0.5)}
    found = calibrate(validation, test)
    for name in test:
        own = validation[name]
        assert found[name].temperature == fit_temperature(own.values, own.labels)
        assert found[name].plain == calibration_scores(test[name].values, test[name].labels)
        assert found[name].scaled.scores.accuracy == found[name].plain.scores.accuracy
    other_labels = {name: Outputs(one.values, one.labels.flip(0)) for name, one in test.items()}
    again = calibrate(validation, other_labels)
    assert [one.temperature for one in again.values()] == [
        one.temperature for one in found.values()
    ]
    pooled = calibrate(validation, {**test, "unseen": outputs(4)}, pooled=True)
    both = (torch.cat([validation[name].values for name in "ab"]),)
    labels = torch.cat([validation[name].labels for name in "ab"])
    assert {one.temperature for one in pooled.values()} == {fit_temperature(*both, labels)}


def test_environments_without_validation_data_are_refused():
    test = {"a": outputs(0), "b": outputs(1)}
    with pytest.raises(ValueError, match=r"no validation data of \['b'\].*never fitted on test"):
        calibrate({"a": outputs(2)}, test)
    with pytest.raises(ValueError, match="no validation data of any environment"):
        calibrate({}, {}, pooled=True)
    wide = Outputs(*made(20, classes=7))
    with pytest.raises(ValueError, match=r"\{'a': 5, 'b': 7\} classes"):
        calibrate({"a": outputs(2), "b": wide}, test, pooled=True)


def test_spreads_are_mean_and_population_variance():
    each = [calibration_scores(*made(100, seed=seed)) for seed in range(3)]
    found = spreads(each)
    assert tuple(found) == METRICS
    for metric in METRICS:
        values = torch.tensor([one.metrics()[metric] for one in each], dtype=torch.float64)
        assert found[metric].mean == pytest.approx(values.mean().item())
        assert found[metric].variance == pytest.approx(values.var(correction=0).item())
    assert spreads(each[:1])["nll"].variance == 0


@pytest.fixture(scope="module")
def merged():
    network = tiny_network()
    return merged_models(network, tiny_finetunes(network))


def test_merged_models_are_calibrated_as_their_plain_sums(merged):
    network, tasks = tiny_network(), tiny_tasks()
    plain = PlainSums(network, tiny_finetunes(network))
    found = calibration(merged, tasks, coefficients=(1.0, 0.3))
    names = ["zero-shot", "one-shot", "coefficient 0.3", "fine-tuned"]
    assert [point.name for point in found.points] == names
    rows = [{}, dict.fromkeys(NAMES, 1.0), dict.fromkeys(NAMES, 0.3)]
    for point, row in zip(found.points, rows, strict=False):
        assert point.coefficients == row
        for task in tasks:
            ours = point.environments[task.name]
            validation = plain.logits(row, task, "validation")
            labels = task.splits.validation.tensors[1]
            expected = fit_temperature(validation, labels)
            assert ours.temperature == pytest.approx(expected, rel=1e-3)
            test = plain.logits(row, task, "test")
            twin = scores(test, task.splits.test.tensors[1])
            assert ours.plain.scores.nll == pytest.approx(twin.nll, rel=1e-4)
            assert ours.plain.scores.accuracy == twin.accuracy
            assert ours.plain.scores.reliability
    own = found.points[-1]
    assert own.coefficients is None
    first = plain.logits({"a": 1.0}, tasks[0], "test")
    twin = scores(first, tasks[0].splits.test.tensors[1])
    assert own.environments["a"].plain.scores.nll == pytest.approx(twin.nll, rel=1e-4)


def test_one_temperature_serves_an_environment_without_validation(merged):
    tasks = tiny_tasks()
    unseen = replace(tasks[-1], name="unseen", splits=replace(tasks[-1].splits, validation=None))
    found = calibration(merged, [*tasks[:2], unseen], fitted_on=["a", "b"])
    assert found.fitted_on == ("a", "b")
    assert [point.name for point in found.points] == ["zero-shot", "one-shot"]
    for point in found.points:
        assert len({one.temperature for one in point.environments.values()}) == 1
        assert list(point.environments) == ["a", "b", "unseen"]


def test_what_cannot_be_calibrated_is_named(merged):
    tasks = tiny_tasks()
    with pytest.raises(ValueError, match=r"fitted_on has \['z'\]"):
        calibration(merged, tasks, fitted_on=["a", "z"])
    with pytest.raises(ValueError, match="expected at least one, each once"):
        calibration(merged, [tasks[0], tasks[0]])
    scored = replace(tasks[0], scorer=lambda values, labels: 0.0)
    with pytest.raises(ValueError, match=r"\['a'\] have a scorer of their own"):
        calibration(merged, [scored])


def test_the_table_shows_every_model_in_every_environment(merged):
    found = calibration(merged, tiny_tasks())
    lines = calibration_table(found).splitlines()
    assert sum(line.startswith(("zero-shot", "one-shot", "fine-tuned")) for line in lines) == 3
    assert sum(line.startswith("  at temperature") for line in lines) == 3 * 4
    first = found.points[0].environments["a"]
    row = next(line for line in lines if line.startswith("a "))
    assert f"{100 * first.plain.scores.accuracy:.1f}" in row
    assert f"{first.plain.brier:.3f}" in row


def test_a_calibration_is_read_back_as_it_was(merged):
    found = calibration(merged, tiny_tasks())
    assert checked(plain(found), Calibration, "here") == found


def test_the_command_calls_it_with_what_was_typed(merged):
    tasks = {f"folder:{task.name}": task for task in tiny_tasks()}
    inputs = SimpleNamespace(models=merged, tasks=tasks)
    parser = argparse.ArgumentParser()
    add_calibration(parser)
    assert evaluate_calibration(inputs, parser.parse_args([])) == calibration(merged, tiny_tasks())
    typed = ["--coefficients", "0.5,1", "--fitted-on", "folder:a,folder:c"]
    expected = calibration(merged, tiny_tasks(), coefficients=(0.5, 1.0), fitted_on=("a", "c"))
    assert evaluate_calibration(inputs, parser.parse_args(typed)) == expected


def test_the_headline_figures_are_means_over_environments(merged):
    found = calibration(merged, tiny_tasks())
    told = figures(found)
    each = found.points[1].environments.values()
    assert told["ece, one-shot"] == pytest.approx(sum(e.plain.scores.ece for e in each) / 4)
    scaled = sum(one.scaled.scores.nll for one in each) / 4
    assert told["nll at temperature, one-shot"] == pytest.approx(scaled)
    assert told["accuracy, fine-tuned"] > told["accuracy, one-shot"]
    assert told["variance of accuracy, zero-shot"] > 0
