"""What the commands that merge files print: the plan of a merge, and how far it has come."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

    from taujp.merge.dry_run import Estimate


def plan_text(method: str, models: str, plan: Estimate) -> str:
    """What a merge would take, a line each."""
    held = "for tensors, besides torch's libraries" if plan.in_torch else "for buffers"
    rows = {
        "method": method,
        "models": models,
        "tensors": f"{plan.merged_tensors} merged, {plan.tensors - plan.merged_tensors} copied",
        "reads": size_text(plan.bytes_read),
        "writes": size_text(plan.bytes_written),
        "memory": f"{size_text(plan.memory_bytes)} {held}",
        "time": f"about {plan.seconds:.1f} s",
    }
    return "\n".join(f"{name:9} {value}" for name, value in rows.items())


def size_text(count: int) -> str:
    """1500000 -> '1.50 MB'."""
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.2f} MB"


class Bar:
    """A progress bar with GB/s and the time that is left; nothing where nobody watches."""

    def __init__(self, *, quiet: bool) -> None:
        self._hidden = quiet or not sys.stderr.isatty()
        self._bar: tqdm[None] | None = None

    def __enter__(self) -> Callable[[int, int], None] | None:
        return None if self._hidden else self._show

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _show(self, done: int, total: int) -> None:
        if not done:
            return  # the bar is loaded once the engine is at work
        if self._bar is None:
            self._bar = _drawn(done, total)
        self._bar.update(done - self._bar.n)


def _drawn(done: int, total: int) -> tqdm[None]:
    """A bar that stands at what was done before; its rate counts from here."""
    from tqdm import tqdm

    return tqdm(unit="B", unit_scale=True, desc="merge", leave=False, initial=done, total=total)
