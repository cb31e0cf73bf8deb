"""The page: every kind of result is on it, names are escaped, and it needs nothing else."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from made_protocols import interference, subsets
from made_records import KINDS, provenance, whole_page, write_records
from made_results import TASKS, WAYS, MadeResults
from taujp.cli import main
from taujp.evaluate.result_files import save_result
from taujp.evaluate.results import Unqualified
from taujp.report import write_report
from taujp.report.published import TASKS as EIGHT
from taujp.report.sections import SECTIONS
from taujp.tangent.metric import TauJpMatrix

HOSTILE = '<script>alert("1")</script> & $a_b$ \'"'
TWO_WAYS = {way: WAYS[way] for way in ("linear", "linear + tauJp")}


class Elements(HTMLParser):
    """Every element with its attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    return whole_page(tmp_path_factory).read_text()


@pytest.fixture(scope="module")
def elements(page) -> Elements:
    return Elements(page)


def test_every_section_is_there_and_nothing_is_missing(page, elements):
    for section in SECTIONS:
        assert f'<h3 id="{section.slug}">{section.title}</h3>' in page
        assert f'<a href="#{section.slug}">' in page
    assert page.count(">Not evaluated<") == 1  # of the second model


def test_figures_of_the_results_are_on_the_page(elements):
    both = [MadeResults(WAYS["linear + tauJp"], seed).addition() for seed in (0, 1)]
    for result in both:
        assert f"{100 * result.one_shot.absolute:.1f}" in elements.text
    assert "mean ± standard deviation over 2 seeds" in elements.text


def test_the_page_loads_nothing_from_elsewhere(page, elements):
    assert not elements.of("script")
    for tag, attributes in elements.found:
        for name in ("src", "href", "xlink:href", "data", "action"):
            link = attributes.get(name) or "#"
            assert link.startswith(("#", "data:")), (tag, link)
    assert "@import" not in page
    assert "&" not in page[page.index("<style>") : page.index("</style>")]  # a sheet, no text
    assert all(link.startswith("#") for link in re.findall(r"url\((.*?)\)", page))
    policy = next(m for m in elements.of("meta") if m.get("http-equiv"))
    assert "default-src 'none'" in str(policy["content"])


def test_ids_are_unique_and_references_have_one(elements):
    ids = [str(a["id"]) for _, a in elements.found if a.get("id")]
    assert len(ids) == len(set(ids))
    known = set(ids)
    for _, attributes in elements.found:
        named = [*str(attributes.get("aria-labelledby") or "").split()]
        link = str(attributes.get("href") or attributes.get("xlink:href") or "")
        named += [link[1:]] if link.startswith("#") else []
        assert set(named) <= known, named


def test_tables_and_pictures_can_be_read_aloud(page, elements):
    assert page.count("<table") == page.count("<caption")
    assert all(cell.get("scope") in ("row", "col") for cell in elements.of("th"))
    pictures = elements.of("svg")
    assert len(pictures) == len(elements.of("figure")) > 30
    assert all(p.get("role") == "img" and len(str(p["aria-label"])) > 30 for p in pictures)
    for landmark in ("main", "nav", "header"):
        assert len(elements.of(landmark)) == 1
    levels = [int(tag[1]) for tag, _ in elements.found if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_text_in_pictures_is_text_in_the_colours_of_the_page(page):
    drawing = page[page.index("<svg") : page.index("</svg>")]
    assert ">own model each</text>" in drawing
    assert "currentColor" in drawing
    assert "var(--series-0)" in drawing
    assert not re.search(r"fill: #(222222|0072b2)", drawing)


def test_names_cannot_break_out(tmp_path):
    tasks = (HOSTILE, "b", "c", "d")
    made = MadeResults(WAYS["linear"], 0, tasks)
    results = {"addition": made.addition(), "interference": interference(made)}
    for kind, result in results.items():
        where = provenance(HOSTILE, HOSTILE, 0, kind, tasks)
        save_result(result, tmp_path / f"{kind}.json", provenance=where)
    out = write_report([tmp_path], tmp_path / "out.html", title=HOSTILE)
    elements = Elements(out.read_text())
    assert not elements.of("script")
    assert HOSTILE in elements.text  # and nothing of it was lost, the "$" of formulas included
    assert any(HOSTILE in str(picture["aria-label"]) for picture in elements.of("svg"))


def test_what_is_missing_says_what_to_run(tmp_path):
    write_records(tmp_path, kinds=["negation-letters"], ways=TWO_WAYS)
    text = Elements(write_report([tmp_path], tmp_path / "r.html").read_text()).text
    assert "Not evaluated" in text
    assert "taujp eval addition --model demo" in text
    assert "taujp eval interference" in text
    assert "Needs two seeds" in text
    assert "taujp eval negation" not in text.partition("Not evaluated")[2]


def test_published_figures_stand_beside_the_same_models(tmp_path):
    write_records(tmp_path, model="ViT-B-32:openai", ways=TWO_WAYS, kinds=["addition"], tasks=EIGHT)
    text = Elements(write_report([tmp_path], tmp_path / "r.html").read_text()).text
    result = MadeResults(WAYS["linear + tauJp"], 0, EIGHT).addition()
    assert "linear + tauJp, one-shot, absolute" in text
    assert f"{100 * (result.one_shot.absolute - 0.842):+.1f}".replace("-", "−") in text
    assert "Yoshida" in text


def test_unusual_results_are_drawn_too(tmp_path):
    made = MadeResults(WAYS["linear"], 0)
    addition, negation = made.addition("ties"), made.negation()
    by_task = {**dict.fromkeys(TASKS, 0.5), "digits": 0.25}
    chosen = replace(addition.chosen, coefficients=by_task)
    results = {
        "by-task": replace(addition, scheme="task", chosen=chosen, validation=(chosen,)),
        "none": replace(negation, chosen=Unqualified(0.8, negation.validation[2])),
        "matrix": TauJpMatrix(("a",), ("a", "b"), ((1.0, 0.0),)),
        "bare": replace(subsets(made), chosen=()),
    }
    for name, result in results.items():
        save_result(result, tmp_path / f"{name}.json")
    text = Elements(write_report([tmp_path], tmp_path / "r.html").read_text()).text
    assert "unnamed model" in text
    assert "digits 0.25" in text
    assert "none qualifies: 1 of 1" in text
    assert "a coefficient a task" in text


def test_the_command_writes_the_page_and_the_figures(tmp_path, capsys):
    write_records(tmp_path / "in", kinds=["addition"], ways=TWO_WAYS)
    out, figures = tmp_path / "new" / "r.html", tmp_path / "figures"
    words = [str(tmp_path / "in"), "-o", str(out), "--figures", str(figures), "--title", "Mine"]
    assert main(["report", *words]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    assert "<h1>Mine</h1>" in out.read_text()
    pictures = {path.suffix for path in figures.glob("addition-*")}
    assert pictures == {".png", ".svg"}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in figures.glob("*.png"))
    assert ">Accuracy alone and added</text>" in (figures / "addition-means-0.svg").read_text()


def test_the_command_says_what_is_wrong(tmp_path, capsys):
    write_records(tmp_path, kinds=["addition"], ways=TWO_WAYS)
    assert main(["report", str(tmp_path), "-o", str(tmp_path / "r.pdf")]) == 1
    assert "expected a name that ends in .html" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["report", str(tmp_path / "empty"), "-o", str(tmp_path / "r.html")]) == 1
    assert "has no results" in capsys.readouterr().err
    assert set(KINDS) >= {"single", "subsets", "ensemble"}  # what the first test's page is made of
