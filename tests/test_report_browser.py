"""The page in a headless Chromium: quiet, offline, in both schemes, on a phone, by keyboard."""

from __future__ import annotations

import pytest

from chromium import chromium, missing
from made_records import whole_page

TAB, ENTER = "\ue004", "\ue007"
pytestmark = pytest.mark.skipif(missing() is not None, reason=f"pages not looked at: {missing()}")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return whole_page(tmp_path_factory)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        browser.open(tmp_path_factory.mktemp("nothing"))  # after its own start page
        browser.console(), browser.requests()
        yield browser


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_no_errors_no_requests_no_overflow(browser, page, width, dark, tmp_path):
    browser.open(page, width=width, dark=dark)
    assert browser.console() == []
    asked = [address for address in browser.requests() if not address.startswith("data:")]
    assert asked == [page.resolve().as_uri()]
    root = "document.documentElement"
    assert browser.run(f"return {root}.scrollWidth - {root}.clientWidth") == 0
    assert browser.picture(tmp_path / "page.png").stat().st_size > 100_000


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_the_paper(browser, page, dark):
    """WCAG: 4.5 : 1 for text, 3 : 1 for what a plot is drawn with."""
    browser.open(page, dark=dark)
    least = browser.run(CONTRAST)
    assert least["text"] >= 4.5
    assert least["lines"] >= 3


def test_the_two_schemes_differ(browser, page):
    papers = []
    for dark in (False, True):
        browser.open(page, dark=dark)
        papers.append(browser.run("return getComputedStyle(document.body).backgroundColor"))
    assert papers == ["rgb(255, 255, 255)", "rgb(20, 23, 28)"]


def test_print_is_light_and_shows_what_is_folded(browser, page):
    browser.open(page, dark=True)
    dark = {"name": "prefers-color-scheme", "value": "dark"}
    browser.devtools("Emulation.setEmulatedMedia", media="print", features=[dark])
    try:
        assert browser.run("return getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
        series = "return getComputedStyle(document.documentElement).getPropertyValue('--series-0')"
        assert browser.run(series).strip() == "#0072b2"
        folded = "document.querySelector('.folded svg').getBoundingClientRect()"
        assert browser.run(f"return {folded}.height") > 0
        assert browser.devtools("Page.printToPDF")["data"]
    finally:
        browser.devtools("Emulation.setEmulatedMedia", media="", features=[])


def test_the_keyboard_reaches_the_results(browser, page):
    browser.open(page)
    browser.press(TAB)
    focus = "return document.activeElement.textContent"
    assert browser.run(focus) == "Skip to the results"
    assert browser.run("return document.activeElement.getBoundingClientRect().left >= 0")
    browser.press(ENTER)
    assert browser.run("return document.activeElement.id") == "main"
    browser.press(TAB)
    assert browser.run("return document.activeElement.getAttribute('role')") == "region"


def test_folded_data_open_by_keyboard_and_fit(browser, page):
    browser.open(page, width=360)
    browser.run("document.querySelector('figure summary').focus()")
    browser.press(ENTER)
    assert browser.run("return document.querySelector('figure details').open")
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    root = "document.documentElement"
    assert browser.run(f"return {root}.scrollWidth - {root}.clientWidth") == 0


def test_screen_readers_are_told_of_every_picture_and_table(browser, page):
    browser.open(page)
    browser.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    nodes = browser.devtools("Accessibility.getFullAXTree")["nodes"]
    named: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            role = node["role"]["value"]
            named.setdefault(role, []).append(node.get("name", {}).get("value", ""))
    for role in ("image", "table", "region", "navigation", "main", "figure"):
        assert named[role], role
    for role in ("image", "table", "region", "figure"):
        assert all(named[role]), role


CONTRAST = """
const part = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const luminance = colour => {
  const [r, g, b] = colour.match(/[0-9.]+/g).map(value => part(value / 255));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const paper = luminance(getComputedStyle(document.body).backgroundColor);
const contrast = colour => {
  const other = luminance(colour);
  return (Math.max(paper, other) + 0.05) / (Math.min(paper, other) + 0.05);
};
const words = 'h1, h2, h3, p, td, th, caption, summary, a, dd, code';
const texts = [...document.querySelectorAll(words)];
const style = getComputedStyle(document.documentElement);
const probe = document.body.appendChild(document.createElement('i'));
const lines = [0, 1, 2, 3, 4, 5].map(index => {
  probe.style.color = style.getPropertyValue(`--series-${index}`);
  return contrast(getComputedStyle(probe).color);
});
return {
  text: Math.min(...texts.map(one => contrast(getComputedStyle(one).color))),
  lines: Math.min(...lines),
};
"""
