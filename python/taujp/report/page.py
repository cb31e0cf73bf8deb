"""The report: one self-contained HTML page drawn from result files only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taujp.evaluate.result_files import load_records
from taujp.report.blocks import Folded, Plot, Section
from taujp.report.figure import save_figure
from taujp.report.rendering import rendered
from taujp.report.runs import Runs, runs_by_model
from taujp.report.sections import SECTIONS
from taujp.report.sections.provenance import cautions
from taujp.whole_file import write_whole

if TYPE_CHECKING:
    from taujp.evaluate.record import Record

TITLE = "Task arithmetic: results"


@dataclass(frozen=True)
class Shown:
    """A section as the template needs it: ids are unique on the page; no blocks: `missing`."""

    id: str
    section: Section
    blocks: list[Any]


def write_report(
    results: Iterable[str | Path],
    out: str | Path,
    *,
    figures: str | Path | None = None,
    title: str = TITLE,
) -> Path:
    """Draws a page from result files, or folders of them, grouped by model, way and seed.

    out: the .html file. figures: a folder for every plot as PNG and SVG. ValueError for files that
    are no results, and for two results of the same protocol, way, seed and tasks.
    """
    page = report_page(load_records(results), figures=figures, title=title)
    return write_whole(page, out, "write_report")


def report_page(
    records: Mapping[Path, Record], *, figures: str | Path | None = None, title: str = TITLE
) -> str:
    """The page's HTML, from records by their files."""
    models = [(runs, _sections(runs, index)) for index, runs in enumerate(runs_by_model(records))]
    page = rendered("page.html", title=title, models=models, cautions=cautions, files=len(records))
    if figures is not None:
        for _, shown in models:
            _save_plots(shown, Path(figures))
    return page


def _sections(runs: Runs, index: int) -> list[Shown]:
    """Every section of one model; the id tells models apart."""
    return [
        Shown(f"{section.slug}-{index}" if index else section.slug, section, section.blocks(runs))
        for section in SECTIONS
    ]


def _save_plots(shown: Iterable[Shown], folder: Path) -> None:
    """Each plot as SECTION-NAME.png and .svg, with its title, which on the page is its caption."""
    for one in shown:
        for plot in _plots(one.blocks):
            plot.figure.suptitle(plot.title, x=0.02, ha="left", fontsize=10, parse_math=False)
            for ending in ("png", "svg"):
                save_figure(plot.figure, folder / f"{one.id}-{plot.name}.{ending}")


def _plots(blocks: Iterable[Any]) -> Iterable[Plot]:
    for block in blocks:
        if isinstance(block, Plot):
            yield block
        elif isinstance(block, Folded):
            yield from _plots(block.blocks)
