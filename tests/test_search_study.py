"""Searches by Optuna: samplers, studies that go on, and studies that processes share."""

from __future__ import annotations

import subprocess
import sys

import pytest

import taujp
from taujp.evaluate import load_result
from taujp.searching import Range

optuna = pytest.importorskip("optuna", reason="Optuna is not installed (extra `search`)")
SPACE = {"x": Range(-1.0, 1.0), "n": Range(1, 8), "rate": Range(1e-4, 1e-1, log=True)}

SHARING = """
import sys, time
import taujp
def objective(point):
    time.sleep(0.05)
    return -(point["x"] - 3) ** 2
by, storage, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
found = taujp.search(
    objective, {"x": list(range(12))}, by=by, trials=12, storage=storage, seed=seed
)
print(len(found.trials), found.best.value)
"""


def bowl(point):
    return -((point["x"] - 0.3) ** 2) - abs(point["n"] - 4) / 8


@pytest.mark.parametrize("by", ["tpe", "random"])
def test_a_sampler_stays_in_the_space_and_is_repeatable(by):
    found = taujp.search(bowl, SPACE, by=by, trials=12)
    assert len(found.trials) == 12
    for trial in found.trials:
        assert -1 <= trial.values["x"] <= 1
        assert trial.values["n"] in range(1, 9)
        assert 1e-4 <= trial.values["rate"] <= 1e-1
        assert trial.value == bowl(trial.values)
    again = taujp.search(bowl, SPACE, by=by, trials=12)
    assert [t.values for t in again.trials] == [t.values for t in found.trials]
    other = taujp.search(bowl, SPACE, by=by, trials=12, seed=1)
    assert [t.values for t in other.trials] != [t.values for t in found.trials]


def test_a_sampler_finds_what_chance_does_not():
    found = taujp.search(bowl, {**SPACE, "x": Range(-50.0, 50.0)}, by="tpe", trials=60)
    chance = taujp.search(bowl, {**SPACE, "x": Range(-50.0, 50.0)}, by="random", trials=60)
    assert found.best.value >= chance.best.value
    assert found.best.value > -2.0


def test_a_sampler_of_ones_own():
    found = taujp.search(bowl, SPACE, by=optuna.samplers.QMCSampler(seed=0), trials=4)
    assert (found.by, len(found.trials)) == ("QMCSampler", 4)


@pytest.mark.parametrize("storage", ["sqlite:///{}/study.db", "{}/deep/study.log", None])
def test_a_killed_study_goes_on_with_other_points(tmp_path, storage):
    storage, out, seen = storage and storage.format(tmp_path), tmp_path / "found.json", []

    def objective(point):
        seen.append(point["x"])
        if len(seen) == 4:
            raise KeyboardInterrupt
        return bowl(point)

    with pytest.raises(KeyboardInterrupt):
        taujp.search(objective, SPACE, by="random", trials=6, storage=storage, out=out)
    found = taujp.search(objective, SPACE, by="random", trials=6, storage=storage, out=out)
    assert len(seen) == 7
    assert len(set(seen)) == 7  # none was drawn again
    assert len(found.trials) == 6
    assert load_result(out) == found
    more = taujp.search(objective, SPACE, by="random", trials=6, storage=storage, out=out)
    assert len(seen) == 7
    assert more.trials == found.trials


def test_a_study_of_another_search_is_refused(tmp_path):
    storage = str(tmp_path / "study.log")
    taujp.search(bowl, {"x": [0.1], "n": [4]}, by="random", trials=1, storage=storage)
    with pytest.raises(ValueError, match="differ in function"):
        taujp.search(lambda p: 0.0, {"x": [0.1]}, by="random", trials=1, storage=storage)
    with pytest.raises(ValueError, match="differ in space"):
        taujp.search(bowl, {"x": [0.1], "n": [4]}, by="grid", storage=storage)


def test_an_unknown_sampler_is_refused():
    with pytest.raises(ValueError, match="by is 'annealing'; expected 'grid'"):
        taujp.search(bowl, SPACE, by="annealing")


def test_a_failed_trial_is_no_trial(tmp_path):
    storage = str(tmp_path / "study.log")
    values = iter([1.0, float("nan"), 2.0, 3.0])

    def objective(point):
        return next(values)

    with pytest.raises(ValueError, match="gave nan"):
        taujp.search(objective, SPACE, by="random", trials=3, storage=storage)
    found = taujp.search(objective, SPACE, by="random", trials=3, storage=storage)
    assert [trial.value for trial in found.trials] == [1.0, 2.0, 3.0]


@pytest.mark.parametrize("by", ["grid", "random"])
def test_processes_share_a_study(tmp_path, by):
    storage = str(tmp_path / "study.log")
    script = tmp_path / "sharing.py"
    script.write_text(SHARING)
    running = [
        subprocess.Popen(
            [sys.executable, str(script), by, storage, str(seed)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for seed in range(2)
    ]
    told = [one.communicate(timeout=120) for one in running]
    assert [one.returncode for one in running] == [0, 0], told
    study = optuna.load_study(
        study_name="taujp",
        storage=optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(storage)),
    )
    done = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
    assert 12 <= len(done) <= 16  # the last ones may have been begun by both
    if by == "grid":
        assert {t.params["point"] for t in done} == set(range(12))
        assert study.best_value == 0
    for out, _ in told:
        assert int(out.split()[0]) >= 12


@pytest.mark.parametrize("storage", ["foo://bar", "sqlite:////proc/none/study.db", "/proc/none/x"])
def test_a_storage_that_cannot_be_used_is_one_sentence(storage):
    with pytest.raises(ValueError, match=r"the storage .* cannot be used \(.+\); expected a"):
        taujp.search(bowl, SPACE, by="tpe", trials=1, storage=storage, study="x")


def test_a_coefficient_lies_between_whole_ends():
    from taujp.searching.space import values_of

    (values,) = values_of({"coefficient": Range(0, 1)}).values()
    assert not values.whole
    with pytest.raises(ValueError, match="a grid needs its points"):
        values.grid("coefficient")
    with pytest.raises(ValueError, match=r"'coefficient' has the value 'a'; expected numbers"):
        values_of({"coefficient": ["a", 0.5]})
