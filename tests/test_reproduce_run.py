"""A whole small reproduction: what it writes, how it chooses, and how it goes on after an end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from small_reproduction import SETUP, files_of, make, small, small_model
from taujp.checkpoint import open_checkpoint, to_state_dict
from taujp.data.faults import Fault
from taujp.evaluate import load_result, merged_models
from taujp.evaluate.result_files import load_record
from taujp.reproduce import evaluating, figures, training, world
from taujp.reproduce.candidates import WAYS, Candidate
from taujp.reproduce.choosing import read_choice
from taujp.reproduce.report import printed, write_page
from taujp.reproduce.world import prepare

pytestmark = pytest.mark.usefixtures("small_model")
LINEAR, TAU_JP = WAYS["linear"], WAYS["linear + tauJp"]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """One reproduction of both protocols, made once, with what it said and chose."""
    with pytest.MonkeyPatch.context() as patch:
        small_model.__wrapped__(patch)
        out, lines = tmp_path_factory.mktemp("kept"), []
        chosen = make(small(), out, lines)
        make(small("negation"), out, lines)
    return out, chosen, lines


def test_every_record_says_what_it_was_made_of(kept):
    out, chosen, _ = kept
    for candidate in chosen[0]:
        folder = out / "records" / "seed-0" / candidate.way.folder
        names = {path.stem for path in folder.glob("*.json")}
        assert names == {
            "addition", "interference", "subsets", "negation-small_colour", "negation-small_side",
        }  # fmt: skip
        about = load_record(folder / "addition.json").provenance
        assert (about.way, about.seed, about.model) == (candidate.way.label, 0, "small")
        assert about.checkpoints.keys() == about.data.keys() == set(SETUP.tasks)
        negated = load_record(folder / "negation-small_side.json")
        assert "small_kept" in negated.provenance.data
        assert negated.result.chosen is not None
        assert negated.result.before.others.keys() == {"small_colour"}


def test_the_choice_is_the_best_of_its_own_validation_figures(kept):
    """The rule once more, from the figures in choices.json."""
    out, chosen, _ = kept
    told = json.loads((out / "choices.json").read_text())["seeds"]["0"]
    for candidate in chosen[0]:
        tried = told[candidate.way.label]["validation"]
        first = candidate.way.penalty and SETUP.weights[candidate.way.penalty][0]
        rates = [one for one in tried if one["weight"] == first]
        assert [one["learning_rate"] for one in rates] == list(SETUP.learning_rates)
        rate = max(rates, key=lambda one: one["own_mean"])["learning_rate"]
        weights = [one for one in tried if one["learning_rate"] == rate]
        weight = max(weights, key=lambda one: one["one_shot_mean"])["weight"]
        assert (candidate.learning_rate, candidate.weight) == (rate, weight)
        assert read_choice(out, candidate.way, SETUP, 0) == candidate


def test_figures_are_accuracies_of_the_models_on_validation_data(kept):
    """Against the records' own validation figures."""
    out, chosen, _ = kept
    for candidate in chosen[0]:
        found = figures_in(out, candidate)
        added = load_result(evaluating.records_of(out, candidate, "addition", SETUP.tasks)[0])
        own = {task.task: task.finetuned_validation.accuracy for task in added.tasks}
        (one_shot,) = (point for point in added.validation if point.coefficient == 1)
        assert found["own"] == own
        together = {name: one.accuracy for name, one in one_shot.scores.items()}
        assert found["one_shot"] == together


def figures_in(out, candidate):
    return json.loads(figures.figures_file(out, candidate).read_text())


def test_every_way_is_tried_with_the_same_learning_rates(kept):
    out, _, _ = kept
    rates = {}
    for path in out.glob("checkpoints/seed-0/*/*/*.safetensors"):
        rate = training.read_settings(path)["recipe"]["learning_rate"]
        rates.setdefault(path.parent.parent.name, set()).add(rate)
    assert rates.keys() == {"non-linear", "linear", "linear-tauJp"}
    assert all(tried == set(SETUP.learning_rates) for tried in rates.values())


class Unreadable(torch.utils.data.Dataset):
    """Test data that nobody may look at yet."""

    def __len__(self):
        return 60

    def __getitem__(self, index):
        raise AssertionError("test data were looked at")


def test_nothing_is_chosen_by_test_data(kept, tmp_path, monkeypatch):
    """With unreadable test images the choice is the same; only the records cannot be made."""
    out, _, _ = kept

    def without_test(*arguments, **options):
        task = prepare(*arguments, **options)
        return replace(task, splits=replace(task.splits, test=Unreadable()))

    monkeypatch.setattr(world, "prepare", without_test)
    with pytest.raises(AssertionError, match="test data were looked at"):
        make(small(ways=(TAU_JP,)), tmp_path)
    made, before = (json.loads((one / "choices.json").read_text()) for one in (tmp_path, out))
    assert made["seeds"]["0"][TAU_JP.label] == before["seeds"]["0"][TAU_JP.label]
    assert not list(tmp_path.glob("records/**/*.json"))


def test_only_what_was_chosen_is_evaluated(tmp_path, monkeypatch):
    opened = []

    def open_models(model, paths, **options):
        opened.append(paths)
        return merged_models(model, paths, **options)

    monkeypatch.setattr(evaluating, "merged_models", open_models)
    (candidate,) = make(small(ways=(LINEAR,)), tmp_path)[0]
    (paths,) = opened
    assert {path.parent.name for path in paths.values()} == {candidate.name}


def test_a_run_that_was_stopped_goes_on_to_the_same_bits(kept, tmp_path, monkeypatch):
    out, _, _ = kept
    finetune, runs = training.finetune, []

    def stop_at_third(*arguments, **options):
        runs.append(options["out"])
        if len(runs) == 3:
            raise KeyboardInterrupt("stopped")
        return finetune(*arguments, **options)

    monkeypatch.setattr(training, "finetune", stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        make(small(ways=(LINEAR,)), tmp_path)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 2
    make(small(ways=(LINEAR,)), tmp_path)
    made = list(tmp_path.rglob("*.safetensors"))
    assert len(runs) == len(made) + 1 == 5
    for path in made:
        state, before = (
            to_state_dict(open_checkpoint(one / path.relative_to(tmp_path)))
            for one in (tmp_path, out)
        )
        assert all(torch.equal(state[name], value) for name, value in before.items())


def test_what_is_there_is_not_made_again(kept, monkeypatch):
    out, chosen, _ = kept
    before = files_of(out, "**/*.json")
    monkeypatch.setattr(training, "finetune", None)
    monkeypatch.setattr(figures, "merged_models", None)
    lines = []
    assert make(small(), out, lines) == chosen
    assert files_of(out, "**/*.json") == before
    assert not any("to train" in line for line in lines)


def test_checkpoints_of_other_settings_are_refused(kept):
    out, _, _ = kept
    changed = replace(SETUP, recipe={**SETUP.recipe, "label_smoothing": 0.1})
    with pytest.raises(ValueError, match=r"label_smoothing.*another --out"):
        make(small(setup=changed), out)


def test_a_record_of_other_checkpoints_is_out_of_date(kept):
    out, chosen, _ = kept
    for candidate in chosen[0]:
        record = evaluating.records_of(out, candidate, "addition", SETUP.tasks)[0]
        about = load_record(record).provenance
        assert evaluating.is_current(record, about)
        other = replace(about, checkpoints={**about.checkpoints, "small_side": "0"})
        assert not evaluating.is_current(record, other)
        assert not evaluating.is_current(record, replace(about, data={}))
    assert not evaluating.is_current(out / "records" / "none.json", about)


def test_one_choice_may_serve_all_seeds(kept, tmp_path):
    asked = small(seeds=(0, 3), ways=(TAU_JP,), choose="first")
    chosen = make(asked, tmp_path)
    (first,), (second,) = chosen[0], chosen[3]
    assert replace(first, seed=3) == second
    trained = {path.parent.name for path in tmp_path.glob("checkpoints/seed-3/*/*/*.safetensors")}
    assert trained == {second.name}
    told = json.loads((tmp_path / "choices.json").read_text())["seeds"]
    assert told["3"]["linear + tauJp"]["chosen_on_seed"] == 0


def test_the_table_and_the_page(kept):
    out, chosen, lines = kept
    added = printed(small(), chosen, out)
    assert "linear + tauJp, one-shot" in added
    assert "2 vectors added" in added
    assert "small_kept kept" in printed(small("negation"), chosen, out)
    assert "<html" in write_page(small(), out).read_text()
    assert any("chosen on validation data" in line for line in lines)


def test_the_kronecker_penalty_gathers_factors_once(tmp_path):
    make(small(ways=(WAYS["linear + Kronecker"],)), tmp_path)
    factors = files_of(tmp_path, "factors/seed-0/*.safetensors")
    assert len(factors) == len(SETUP.tasks)
    settings = training.read_settings(next(tmp_path.glob("checkpoints/**/small_side.safetensors")))
    assert settings["configuration"]["reproduction"]["penalty"]["others"] == ["small_colour"]


def test_penalties_never_see_the_control_of_negation(kept):
    out, _, _ = kept
    for path in out.glob("checkpoints/seed-0/linear-tauJp/*/*.safetensors"):
        others = training.read_settings(path)["configuration"]["reproduction"]["penalty"]["others"]
        assert others == [task for task in SETUP.tasks if task != path.stem]


def test_faulty_data_stop_everything_before_training(tmp_path, monkeypatch):
    faults = (Fault("a.mat", "is cut", "get it"),)
    found = SimpleNamespace(faults=faults)
    monkeypatch.setattr("taujp.reproduce.data.check", lambda task, root, quick: found)
    with pytest.raises(ValueError, match=r"small_side: a\.mat: is cut; get it"):
        make(small(), tmp_path)
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_candidate_names_its_folder():
    one = Candidate(TAU_JP, 3e-3, 0.1, 2)
    folder = Path("out/checkpoints/seed-2/linear-tauJp/lr-0.003-weight-0.1")
    assert one.checkpoint(Path("out"), "digits") == folder / "digits.safetensors"
