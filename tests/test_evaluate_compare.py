"""`taujp compare`: what is set beside what, and what is pointed out."""

from __future__ import annotations

import pytest

import made_protocols
from made_records import write_records
from made_results import WAYS, MadeResults
from taujp.cli import main
from taujp.evaluate.comparison import Side, by_subject, other_origins
from taujp.evaluate.record import SCHEMA, Provenance, Record
from taujp.evaluate.result_files import load_result, save_result
from taujp.evaluate.schema import kind_of
from taujp.evaluate.seeds import paired_differences

MADE = MadeResults(WAYS["linear"], 0)


def record(result, **provenance):
    return Record(SCHEMA, kind_of(result), result, Provenance(**provenance))


def compared(capsys, *words):
    code = main(["compare", *map(str, words)])
    told = capsys.readouterr()
    return code, told.out, told.err


def row(text, name):
    (line,) = [line for line in text.splitlines() if line.startswith(name + "  ")]
    return line.removeprefix(name).split()


def test_two_files_stand_side_by_side_with_their_difference(tmp_path, capsys):
    files = [
        save_result(
            MadeResults(WAYS[way], 0).addition(),
            tmp_path / f"{seed}.json",
            provenance=Provenance(way=way, seed=seed),
        )
        for seed, way in enumerate(("non-linear", "linear + tauJp"))
    ]
    code, out, _ = compared(capsys, *files)
    assert code == 0
    a, b = (load_result(file).one_shot.absolute for file in files)
    assert row(out, "absolute, one-shot") == [f"{a:.4f}", f"{b:.4f}", f"{b - a:+.4f}"]
    assert "addition: fashion, animals, digits, letters (test)" in out
    assert "linear + tauJp - non-linear" in out
    assert "linear + tauJp: other seed: 1 instead of 0" in out
    assert "linear + tauJp: other settings: mode linear instead of standard" in out
    assert "interval" not in out


def test_several_seeds_a_side_are_paired(tmp_path, capsys):
    for way in ("linear", "linear + tauJp"):
        write_records(tmp_path / way, seeds=range(3), ways={way: WAYS[way]}, kinds=["addition"])
    code, out, _ = compared(capsys, tmp_path / "linear", tmp_path / "linear + tauJp")
    assert code == 0
    sides = [
        [record(MadeResults(WAYS[way], seed).addition(), seed=seed) for seed in range(3)]
        for way in ("linear", "linear + tauJp")
    ]
    found = paired_differences(*sides)["absolute, one-shot"]
    assert found.interval is not None
    cells = row(out, "absolute, one-shot")
    assert cells[6:9] == [f"{found.mean:+.4f}", "±", f"{found.standard_deviation:.4f}"]
    assert cells[9] == f"{found.smallest:+.4f}"
    assert cells[10:] == [f"[{found.interval[0]:+.4f},", f"{found.interval[1]:+.4f}]"]
    assert "differences seed by seed (3 seeds)" in out
    assert "other checkpoints: fashion, animals, digits, letters" in out
    assert "other seed" not in out


def test_files_of_a_side_may_be_joined_by_commas(tmp_path, capsys):
    write_records(tmp_path, seeds=range(2), kinds=["single"])
    sides = [
        ",".join(str(tmp_path / f"{way}-{seed}-single.json") for seed in (0, 1))
        for way in ("linear", "non-linear")
    ]
    code, out, _ = compared(capsys, *sides)
    assert code == 0
    assert "differences seed by seed (2 seeds)" in out


def test_more_than_two_sides_are_compared_with_the_first(tmp_path, capsys):
    write_records(tmp_path, kinds=["disentanglement"])
    names = ["linear", "non-linear", "linear-tauJp"]
    code, out, _ = compared(
        capsys, *(tmp_path / f"{name}-0-disentanglement.json" for name in names)
    )
    assert code == 0
    assert "non-linear - linear" in out
    assert "linear + tauJp - linear" in out
    assert len(row(out, "error, mean")) == 5


def test_a_file_beside_itself_differs_in_nothing(tmp_path, capsys):
    file = save_result(MADE.negation(), tmp_path / "a.json", provenance=Provenance(way="linear"))
    code, out, _ = compared(capsys, file, file)
    assert code == 0
    assert "a (1)" in out
    assert "a (2) - a (1)" in out
    assert {line.split()[-1] for line in out.splitlines()[3:]} == {"+0.0000"}


def test_each_protocol_is_compared_with_its_own_kind():
    sides = [
        Side(
            name, (record(made.addition()), record(made.single()), record(made.negation("digits")))
        )
        for name, made in (("a", MADE), ("b", MadeResults(WAYS["linear"], 1)))
    ]
    more = Side("c", (record(MADE.negation("letters")), record(MADE.single())))
    found = by_subject([*sides, more])
    assert [(key.split(":")[0], len(parts)) for key, parts in found.items()] == [
        ("addition", 2),
        ("single", 3),
        ("negation", 2),
    ]


def test_several_methods_on_a_side_are_told_apart_by_their_settings():
    one = (record(MADE.addition("ties"), seed=0), record(MADE.addition("dare"), seed=0))
    found = by_subject([Side("a", one), Side("b", one)])
    assert len(found) == 2
    assert all("method" in key for key in found)
    single = [Side(name, (record(MADE.addition(name), seed=0),)) for name in ("ties", "dare")]
    assert len(by_subject(single)) == 1


def test_sides_of_different_things_are_an_error(tmp_path, capsys):
    a, b = (
        save_result(MADE.single(), tmp_path / "a.json"),
        save_result(made_protocols.unseen(MADE), tmp_path / "b.json"),
    )
    code, _, error = compared(capsys, a, b)
    assert code == 1
    assert "nothing in common" in error
    code, _, error = compared(capsys, a)
    assert code == 1
    assert "expected two or more" in error
    code, _, error = compared(capsys, a, tmp_path / "none.json")
    assert code == 1
    assert "none.json" in error


ORIGIN = {"model": "demo", "seed": 0, "data": {"x": "1"}, "checkpoints": {"x": "1"}}


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({}, []),
        ({"model": "B"}, ["other model: B instead of demo"]),
        ({"data": {"x": "2"}}, ["other data: x"]),
        ({"data": {}}, ["data of x unknown on one side"]),
        ({"checkpoints": {"x": "2"}}, ["other checkpoints: x"]),
        ({"software": {"torch": "2"}}, ["other software: torch 2 instead of None"]),
        ({"command": "x", "created": "now", "way": "w"}, []),
    ],
)
def test_other_origins_are_pointed_out(other, told):
    first = record(MADE.single(), **ORIGIN)
    assert other_origins([(first, record(MADE.single(), **{**ORIGIN, **other}))] * 2) == told
