"""Result files: every kind comes back as it was, described by a schema; faulty ones are named."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace

import pytest

import made_protocols
from made_calibration import calibration
from made_results import WAYS, MadeResults
from taujp.evaluate.record import SCHEMA, Cost, Provenance
from taujp.evaluate.result_files import load_record, load_records, load_result, save_result
from taujp.evaluate.results import Single, SingleTask, Unqualified
from taujp.evaluate.schema import kinds
from taujp.evaluate.task_scores import Scores
from taujp.inspecting import Directions, Inspection, Part
from taujp.searching import Search, Trial
from taujp.tangent.metric import TauJpMatrix

MADE = MadeResults(WAYS["linear"], 0)
ADDITION, NEGATION = MADE.addition("ties"), MADE.negation()
TRIAL = Trial({"method": "ties", "density": 0.2}, 0.9, ADDITION.chosen.scores, 1.5)
PART = Part(
    "a.0", 9, (1.0,), None, ((1.0,),), (0.5,), 0.25, 0.1,
    Directions(1, 2, ((0.5, 0.25),), (2.0,), ((1.0,),), 0.5),
)  # fmt: skip
BY_LAYER = {"letters": {"visual.a": 0.5, "visual.b": 0.25}, "digits": 1.0}
EVERY = {
    "single": MADE.single("jointly"),
    "addition": replace(ADDITION, options={"density": 0.2, "name": "a", "layers": [1, 2]}),
    "addition by layer": replace(
        ADDITION, scheme="layer", chosen=replace(ADDITION.chosen, coefficients=BY_LAYER)
    ),
    "negation": NEGATION,
    "negation, nothing qualified": replace(NEGATION, chosen=Unqualified(0.9, NEGATION.one_shot)),
    "analogy": made_protocols.analogy(MADE),
    "analogy, d unknown": replace(made_protocols.analogy(MADE), of_d=None),
    "subsets": made_protocols.subsets(MADE),
    "disentanglement": made_protocols.disentanglement(MADE),
    "interference": made_protocols.interference(MADE),
    "unseen": made_protocols.unseen(MADE),
    "ensemble": made_protocols.ensemble(MADE),
    "calibration": calibration(MADE),
    "search": Search(
        "normalised accuracy",
        True,
        "grid",
        {"density": [0.2]},
        (TRIAL, replace(TRIAL, value=0.1)),
        TRIAL,
        ADDITION.chosen,
        "ties",
        {"normalize": False},
        Cost(2.0, 1, "cpu"),
    ),
    "inspection": Inspection(("a",), None, "layer", PART, (replace(PART, directions=None),)),
    "tau_jp_matrix": TauJpMatrix(("a", "b"), ("c",), ((0.5,), (1.0,))),
}
PROVENANCE = Provenance("demo", "linear", {"a": "1f"}, {"a": "2e"}, 3, {"torch": "2"}, "now", "x")
COST = Cost(1.5, None, "cpu, 1 thread")


@pytest.mark.parametrize("result", EVERY.values(), ids=EVERY)
def test_a_result_comes_back_as_it_was(result, tmp_path):
    path = save_result(result, tmp_path / "new" / "a.json", provenance=PROVENANCE, cost=COST)
    record = load_record(path)
    assert record.result == result
    assert type(record.result) is type(result)
    assert (record.schema, record.provenance, record.cost) == (SCHEMA, PROVENANCE, COST)
    assert load_result(path) == result
    assert [file.name for file in path.parent.iterdir()] == ["a.json"]


def test_every_kind_is_tried_here():
    assert {name.split(",")[0].split(" ")[0] for name in EVERY} == set(kinds())


def test_numbers_that_json_lacks_come_back(tmp_path):
    scores = Scores(0.1, 9, math.nan, None, math.inf), Scores(0.1, 9, nll=-math.inf)
    single = Single("standard", (SingleTask("letters", *scores, *scores),))
    path = save_result(single, tmp_path / "a.json")
    assert "NaN" not in json.dumps(json.loads(path.read_text())).replace('"NaN"', "")
    (one,) = load_result(path).tasks
    assert math.isnan(one.zero_shot_validation.ece)
    assert one.zero_shot_validation.nll == math.inf
    assert one.zero_shot_test.nll == -math.inf
    assert one.zero_shot_validation.ace is None


def test_a_result_without_provenance_has_an_empty_one(tmp_path):
    record = load_record(save_result(ADDITION, tmp_path / "a.json"))
    assert record.provenance == Provenance()
    assert record.cost is None


@pytest.mark.parametrize("thing", [{"kind": "single"}, None, Scores(0.5, 1)])
def test_what_is_no_result_is_not_written(thing, tmp_path):
    with pytest.raises(TypeError, match=r"save_result.*expected one of.*Addition"):
        save_result(thing, tmp_path / "a.json")
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_leaves_what_was_there(tmp_path):
    blocked = tmp_path / "a.json"
    blocked.mkdir()
    with pytest.raises(OSError, match=r"save_result: cannot write .*a\.json"):
        save_result(ADDITION, blocked)
    assert list(tmp_path.iterdir()) == [blocked]


def changed(**entries):
    return lambda content: {**content, **entries}


def without(name):
    return lambda content: {key: value for key, value in content.items() if key != name}


def in_result(change):
    return lambda content: {**content, "result": change(content["result"])}


FAULTS = {
    "another program's": (lambda content: {"loss": 0.1}, r"schema None; expected 'taujp.result/1'"),
    "a list": (lambda content: [content], r"schema None"),
    "of a newer taujp": (changed(schema="taujp.result/2"), r"newer taujp.*upgrade"),
    "of no known version": (changed(schema="taujp.result/0"), r"expected one of.*evaluate again"),
    "of no kind": (changed(kind="sum"), r"kind 'sum'"),
    "of another kind": (changed(kind="single"), r"result: 'tasks' field required"),
    "without its result": (without("result"), r"result: "),
    "without provenance": (without("provenance"), r"provenance: "),
    "a missing entry": (in_result(without("validation")), r"'validation' field required"),
    "a text for a number": (
        in_result(changed(keep="much")),
        r"'keep' input should be a valid number",
    ),
    "an unknown entry": (in_result(changed(split="test")), r"split is unknown.*by hand"),
    "a negative seed of text": (
        changed(provenance={"seed": "first"}),
        r"'seed' input should be a valid integer",
    ),
    "a cost of nothing": (changed(cost={"seconds": 1.0}), r"'device' field required"),
}


@pytest.mark.parametrize(("change", "told"), FAULTS.values(), ids=FAULTS)
def test_a_faulty_file_is_named_with_its_fault(change, told, tmp_path):
    path = save_result(NEGATION, tmp_path / "faulty.json")
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(ValueError, match=told) as error:
        load_record(path)
    assert "faulty.json" in str(error.value)


def test_a_nested_unknown_entry_is_found(tmp_path):
    path = save_result(ADDITION, tmp_path / "a.json")
    content = json.loads(path.read_text())
    content["result"]["validation"][2]["lambda"] = 0.3
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"validation\.2\.lambda is unknown"):
        load_record(path)


@pytest.mark.parametrize("kept", [0, 1, 40, 900])
def test_a_file_that_is_cut_short_is_named(kept, tmp_path):
    path = save_result(ADDITION, tmp_path / "cut.json")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"cut\.json' is no JSON .*cut short"):
        load_record(path)
    with pytest.raises(ValueError, match=r"cut\.json"):
        load_records([tmp_path])


@pytest.mark.parametrize("content", [b"\x80\x02\xff", b"[" * 200_000], ids=["pickle", "deep"])
def test_what_is_no_json_is_no_result(content, tmp_path):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json' is no JSON"):
        load_record(tmp_path / "a.json")


def test_a_folder_gives_its_results_and_passes_over_other_json(tmp_path):
    a, b = (
        save_result(one, tmp_path / name)
        for one, name in ((ADDITION, "b/a.json"), (NEGATION, "b.json"))
    )
    (tmp_path / "choices.json").write_text('{"rate": 1e-3}')
    (tmp_path / "list.json").write_text("[1]")
    assert load_records([tmp_path]) == {a: load_record(a), b: load_record(b)}
    assert set(load_records([b, tmp_path / "b"])) == {a, b}
    with pytest.raises(ValueError, match=r"choices\.json' has the schema None"):
        load_records([tmp_path / "choices.json"])
    (tmp_path / "none").mkdir()
    with pytest.raises(ValueError, match="has no results"):
        load_records([tmp_path / "none"])


def test_pydantic_is_asked_for_by_name(monkeypatch, tmp_path):
    from taujp.evaluate import schema

    schema._adapter.cache_clear()
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(ImportError, match="pip install pydantic"):
        save_result(ADDITION, tmp_path / "a.json")
