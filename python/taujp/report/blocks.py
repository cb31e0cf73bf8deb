"""What a report's page is made of; templates/page.html says how each looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from taujp.report.runs import Runs


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column names the row. `numbers`: the others are aligned right."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""
    numbers: bool = True


@dataclass(frozen=True)
class Plot:
    """A figure with what it shows in words, and its data for those who do not see it. `name`: of
    its file, unique in its section."""

    name: str
    title: str
    says: str
    figure: Figure
    data: Table


@dataclass(frozen=True)
class Folded:
    """Blocks that are shown when asked for, under a heading."""

    title: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str


Block: TypeAlias = "Table | Plot | Folded | Text"


@dataclass(frozen=True)
class Section:
    """One topic of a model: `blocks` draws it, or gives nothing where no record is of that topic;
    `missing` then is the command to run, without its files."""

    slug: str
    title: str
    says: str
    missing: str
    blocks: Callable[[Runs], list[Block]]
