"""Pages from templates/: self-contained, with our style sheet and drawings inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import taujp
from taujp.report.blocks import Folded, Plot, Table, Text
from taujp.report.figure import COLOURS, IN_THE_DARK
from taujp.report.inline_svg import inline_svg

TEMPLATES = Path(__file__).parent / "templates"


def rendered(template: str, **content: Any) -> str:
    """A page's HTML; what is in `content` is escaped."""
    environment = _environment()
    page: str = environment.get_template(template).render(
        version=taujp.__version__, style=_style(environment), **content
    )
    return page


def _environment() -> Any:
    """Blocks are told apart by `is table`, `is plot`, ...; drawing(plot, id) is its <svg>."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )

    def drawing(plot: Plot, where: str) -> Markup:
        return Markup(inline_svg(plot.figure, f"{where}-{plot.name}", plot.says))

    environment.globals["drawing"] = drawing
    environment.tests.update(
        {
            kind.__name__.lower(): lambda block, kind=kind: isinstance(block, kind)
            for kind in (Table, Plot, Folded, Text)
        }
    )
    return environment


def _style(environment: Any) -> Any:
    """The style sheet, which is ours and no text to escape."""
    from markupsafe import Markup

    sheet = environment.get_template("style.css")
    return Markup(sheet.render(light=COLOURS, dark=IN_THE_DARK))
