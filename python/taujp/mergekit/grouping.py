"""From the outline to merges: tensors that are merged alike go together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from taujp.checkpoint import Checkpoint, Entry, check_integer_buffers, composed
from taujp.merge.coefficients import ByParameter, Row
from taujp.merge.errors import MergeError
from taujp.merge.prepare import Merge, prepare

from .config import Configuration
from .outline import Outline, Region, Wanted
from .peer_method import Given, Input, PeerMethod, Step
from .settings import EVERY, Settings

CHAINS = frozenset({
    "task_arithmetic", "ties", "dare_linear", "dare_ties", "breadcrumbs", "breadcrumbs_ties",
    "della", "della_linear",
})  # fmt: skip


@dataclass
class Grouping:
    """The merges of an outline; `mixed` are the tensors whose sources differ in dtype."""

    config: Configuration
    method: PeerMethod
    seed: int = 0
    rounding: str = "exact"
    nonfinite: str = "error"
    mixed: list[str] = field(default_factory=list)

    def merges(self, outline: Outline) -> list[Merge]:
        """One merge for each way of merging, whose layers may have coefficients of their own.

        Checks everything but the numbers.
        """
        merged = [merge for r in outline.regions for merge in self._of_region(r, outline)]
        return [*merged, *self._of_copies(outline)]

    def _of_copies(self, outline: Outline) -> Iterator[Merge]:
        """Copies whose dtype is to change."""
        groups: dict[int, dict[str, tuple[Checkpoint, str]]] = {}
        for name, (checkpoint, source) in outline.copied.items():
            entry = checkpoint.entries[source]
            changes = entry.floating and self.config.written not in (None, entry.dtype)
            if changes and name not in outline.ties:
                groups.setdefault(id(checkpoint), {})[name] = (checkpoint, source)
        for parts in groups.values():
            label = next(iter(parts.values()))[0].label
            view = composed(label, parts, ties={})
            yield prepare(
                [view], [1.0], method="passthrough", dtype=self.config.written,
                nonfinite=self.nonfinite,
            )  # fmt: skip

    def _of_region(self, region: Region, outline: Outline) -> Iterator[Merge]:
        groups: dict[tuple[Step, str], dict[Wanted, Row]] = {}
        steps = _Steps(self.config, self.method, region, self.seed)
        integers = []
        for wanted in region.tensors:
            if not region.checkpoints[region.first].entries[wanted.sources[region.first]].floating:
                integers.append(wanted)
                continue
            step = steps.of(wanted)
            key = (replace(step, coefs=()), self._dtype(region, wanted))
            groups.setdefault(key, {})[wanted] = step.coefs
        self._copy_integers(region, integers, outline)
        for (step, dtype), rows in groups.items():
            yield self._merge(region, step, dtype, rows)

    def _merge(self, region: Region, step: Step, dtype: str, rows: dict[Wanted, Row]) -> Merge:
        """One way of merging; layers may differ in their coefficients."""
        tensors = [*rows]
        views = [_view(region, i, tensors) for i in step.inputs]
        base = None if step.base is None else _view(region, step.base, tensors)
        options: dict[str, Any] = {
            k: list(v) if isinstance(v, tuple) else v for k, v in step.options
        }
        alike = len({*rows.values()}) == 1
        return prepare(
            views,
            rows[tensors[0]] if alike else ByParameter({w.name: rows[w] for w in tensors}),
            base,
            method=step.method,
            dtype=dtype,
            lambda_=step.lambda_,
            rounding=self._rounding(region, step, dtype, tensors),
            nonfinite=self.nonfinite,
            **options,
        )

    def _rounding(self, region: Region, step: Step, dtype: str, tensors: list[Wanted]) -> str:
        """What rounds once in mergekit too needs no chain to have its bits."""
        if self.rounding == "exact" or self.method.once:
            return "exact"
        if step.method not in CHAINS:
            raise MergeError(
                f"{self.method.name} has no rounding 'stepwise'; it has "
                f"{', '.join(sorted(CHAINS))}; use rounding 'exact'"
            )
        found = {e.dtype for w in tensors for e in _entries(region, w)}
        if found != {dtype}:
            raise MergeError(
                f"rounding 'stepwise' is for inputs of one dtype, which the output has too; here "
                f"{', '.join(sorted(found))} become {dtype}: use rounding 'exact'"
            )
        return self.rounding

    def _dtype(self, region: Region, wanted: Wanted) -> str:
        """As the configuration says, else the sources' own, or F32 where they differ."""
        found = {entry.dtype for entry in _entries(region, wanted)}
        chosen = self.config.written
        if chosen is None and len(found) > 1:
            self.mixed.append(wanted.name)
        return chosen or (found.pop() if len(found) == 1 else "F32")

    def _copy_integers(self, region: Region, tensors: list[Wanted], outline: Outline) -> None:
        """Integers cannot be merged: they must be the same in all sources."""
        if tensors:
            views = [_view(region, i, tensors) for i in range(len(region.sources))]
            donor = views[region.first]
            check_integer_buffers(donor, views, tuple(donor.entries))
            self._copy(region, tensors, outline)

    def _copy(self, region: Region, tensors: list[Wanted], outline: Outline) -> None:
        checkpoint = region.checkpoints[region.first]
        outline.copied.update({w.name: (checkpoint, w.sources[region.first]) for w in tensors})


class _Steps:
    """The step of each tensor of a region; worked out once for all that nothing tells apart."""

    def __init__(
        self, config: Configuration, method: PeerMethod, region: Region, seed: int
    ) -> None:
        self._method, self._region, self._seed = method, region, seed
        self._own = tuple(source.parameters for source in region.sources)
        self._scopes = (region.slice.parameters, region.module.parameters, config.parameters)
        self._by_name = any(_filtered(settings) for settings in (*self._own, *self._scopes))
        self._known: dict[tuple[str, float], Step] = {}

    def of(self, wanted: Wanted) -> Step:
        """How it is merged."""
        key = (wanted.name if self._by_name else "", wanted.t)
        if key not in self._known:
            step = self._method.translate(self._given(wanted))
            self._known[key] = step if step.inputs else _base_alone(step)
        return self._known[key]

    def _given(self, wanted: Wanted) -> Given:
        inputs = [
            Input(model.name, name, settings)
            for model, name, settings in zip(
                self._region.models, wanted.sources, self._own, strict=True
            )
        ]
        base, t = self._region.base, wanted.t
        return self._method.given(wanted.name, inputs, self._scopes, base, t, self._seed)


def _base_alone(step: Step) -> Step:
    """What a sum of no task vectors is."""
    assert step.base is not None
    return Step("passthrough", (step.base,), None, (1.0,))


def _filtered(settings: Settings) -> bool:
    return any(case.filter not in EVERY for setting in settings.values() for case in setting)


def _entries(region: Region, wanted: Wanted) -> list[Entry]:
    pairs = zip(region.checkpoints, wanted.sources, strict=True)
    return [checkpoint.entries[source] for checkpoint, source in pairs]


def _view(region: Region, source: int, tensors: list[Wanted]) -> Checkpoint:
    """A source under the output's names: only what is merged together."""
    checkpoint = region.checkpoints[source]
    parts = {w.name: (checkpoint, w.sources[source]) for w in tensors}
    return composed(checkpoint.label, parts, ties={}, folder=checkpoint.folder)
