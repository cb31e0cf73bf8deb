"""A figure as SVG inside a page: text stays text, and its colours follow the page's theme."""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING

from taujp.report.figure import COLOURS, CONTROL, INK, WRITTEN

if TYPE_CHECKING:
    from matplotlib.figure import Figure

THEME = {
    INK: "currentColor",
    CONTROL: "var(--faint)",
    **{colour: f"var(--series-{index})" for index, colour in enumerate(COLOURS)},
}
LARGER, SMALLER = 1.2, 0.65  # a page may change the size of a picture by this


def inline_svg(figure: Figure, name: str, says: str) -> str:
    """The figure as one <svg> element that screen readers read as an image that `says` this.

    name: goes before every id in it, since a page has one namespace of ids.
    """
    import matplotlib

    stream = io.StringIO()
    with matplotlib.rc_context(WRITTEN):
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    drawing = stream.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    drawing = re.sub(r"<metadata>.*?</metadata>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r"<style.*?</style>", "", drawing, flags=re.DOTALL)
    drawing = re.sub(r"<!--.*?-->", "", drawing, flags=re.DOTALL)
    return _opened(_themed(_own_ids(drawing, name)), figure, says)


def _opened(drawing: str, figure: Figure, says: str) -> str:
    """Its own first tag: as wide as there is room, between a little less and more than its size."""
    width, height = (72 * inches for inches in figure.get_size_inches())
    least, most = (factor * width / 12 for factor in (SMALLER, LARGER))
    tag = (
        f'<svg role="img" aria-label="{escape(says)}" viewBox="0 0 {width:g} {height:g}" '
        f'style="min-width: {least:.1f}rem; max-width: {most:.1f}rem" '
        'xmlns="http://www.w3.org/2000/svg" '
        'xmlns:xlink="http://www.w3.org/1999/xlink">'
    )
    return re.sub(r"<svg[^>]*>", lambda _: tag, drawing, count=1)


def _own_ids(drawing: str, name: str) -> str:
    """Ids that other pictures on the page do not have."""
    drawing = re.sub(r'\bid="', f'id="{name}-', drawing)
    drawing = re.sub(r"url\(#", f"url(#{name}-", drawing)
    return re.sub(r'href="#', f'href="#{name}-', drawing)


def _themed(drawing: str) -> str:
    """Colours of the look as variables of the page; only in attributes, never in words."""

    def themed(style: re.Match[str]) -> str:
        return re.sub(r"#[0-9a-f]{6}", lambda hex: THEME.get(hex[0], hex[0]), style[0])

    return re.sub(r'style="[^"]*"', themed, drawing)
