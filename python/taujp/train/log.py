"""A training log: one JSON object a line, readable while the run goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol


class WriteLine(Protocol):
    """Writes its keyword arguments as one line."""

    def __call__(self, **values: Any) -> None: ...


def _nowhere(**values: Any) -> None:
    """The log of a run that keeps none."""


@contextmanager
def training_log(path: str | Path | None) -> Iterator[WriteLine]:
    """A function that writes lines to a new file at `path`, or nowhere when it is None."""
    if path is None:
        yield _nowhere
        return
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with Path(path).open("w", encoding="utf-8") as file:

        def write(**values: Any) -> None:
            file.write(json.dumps(values) + "\n")
            file.flush()  # so that a follower sees the step

        yield write
