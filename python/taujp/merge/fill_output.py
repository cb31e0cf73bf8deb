"""From a plan to a complete output in its partial folder: merge, headers, companions, check."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import taujp_ext
from taujp.checkpoint import CheckpointError, unchanged

from .engine import Finished
from .errors import MergeError
from .file_plan import FilePlan
from .fingerprints import fingerprints_of
from .journal import Done, Journal, read_journal
from .nonfinite_files import report_nonfinite
from .output_layout import OutputLayout
from .partial_output import PartialOutput
from .parts import do_part, parts_of
from .provenance import with_fingerprints
from .read_back import intact

Progress = Callable[[int, int], None]  # bytes read, bytes to read


def fill(
    plan: FilePlan, layout: OutputLayout, partial: PartialOutput, progress: Progress | None
) -> None:
    """Bring `partial` to completion, from whatever an earlier run of this plan left there."""
    journal = _open_journal(plan, partial)
    try:
        _reserve(plan, partial)
        _merge(plan, partial.content, journal, progress)
        for checkpoint in plan.assembly.checkpoints():
            unchanged(checkpoint)
        _write_headers(plan, layout, partial.content, journal)
        _verify(plan, partial, journal)
    except BaseException as error:
        if not journal.done or isinstance(error, CheckpointError):
            partial.discard()  # nothing in it that a later run could go on from
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(_interrupted(plan, partial, journal)) from None
        raise
    finally:
        journal.close()


def _open_journal(plan: FilePlan, partial: PartialOutput) -> Journal:
    """The journal of an earlier run of this merge, as far as what it says is true; or a new one."""
    done = read_journal(partial.journal, plan.digest)
    if done is None and partial.content.exists():
        warnings.warn(
            f"merge: {str(partial.folder)!r} has an unfinished merge of other inputs or options; "
            f"it is discarded and this merge begins anew",
            stacklevel=5,
        )
    # Ranks over the model read every tensor again: such a merge starts from the beginning.
    whole = all((partial.content / output.path).exists() for output in plan.outputs)
    over_model = any(merge.recipe.over_model for merge in plan.assembly.merges)
    if not done or not whole or over_model:
        partial.clear()
        return Journal(partial.journal, plan.digest, {})
    written = {n: _results(plan, n, d) for n, d in done.items()}
    kept = intact(plan, partial.content, written)
    return Journal(partial.journal, plan.digest, {n: done[n] for n in sorted(kept)})


def _results(plan: FilePlan, number: int, done: Done) -> tuple[int, ...]:
    """The fingerprints of what a work wrote: a copy writes its source, K times."""
    work = plan.works[number]
    if work.copy:
        return done.fingerprints * plan.assembly.results
    return done.fingerprints[len(work.sources) :]


def _reserve(plan: FilePlan, partial: PartialOutput) -> None:
    for output in plan.outputs:
        path = partial.content / output.path
        path.parent.mkdir(parents=True, exist_ok=True)
        taujp_ext.stream().reserve(str(path), output.size)


def _merge(plan: FilePlan, content: Path, journal: Journal, progress: Progress | None) -> None:
    numbers = [n for n in range(len(plan.works)) if n not in journal.done]
    begun = sum(plan.works[n].bytes_read for n in journal.done)
    total = sum(work.bytes_read for work in plan.works)
    faults = [n for n, done in journal.done.items() if done.nonfinite]

    def finished(batch: Finished) -> None:
        journal.record(batch)
        faults.extend(number for number, done in batch if done.nonfinite)

    def tick(done: int) -> None:
        refused = [n for n in faults if not plan.merge_of(n).allow_nonfinite]
        faults.clear()
        report_nonfinite(plan, sorted(refused))
        if progress is not None:
            progress(begun + done, total)

    tick(0)
    for part in parts_of(plan, numbers):
        do_part(plan, part, content, finished, tick)
        begun += sum(plan.works[n].bytes_read for n in part.numbers)


def _write_headers(plan: FilePlan, layout: OutputLayout, content: Path, journal: Journal) -> None:
    found = fingerprints_of(plan, journal.done)
    for output in plan.outputs:
        with open(content / output.path, "r+b") as stream:
            stream.write(with_fingerprints(output.header, found))
    layout.write_companions(content)


def _verify(plan: FilePlan, partial: PartialOutput, journal: Journal) -> None:
    written = {n: _results(plan, n, done) for n, done in journal.done.items()}
    damaged = sorted(written.keys() - intact(plan, partial.content, written))
    if damaged:
        names = ", ".join(plan.works[n].names[0] for n in damaged[:10])
        raise MergeError(
            f"merge: {len(damaged)} tensors read back otherwise than they were written ({names}); "
            f"the disk or another program changed {str(partial.content)!r}. Run the same merge "
            f"again: it writes those once more"
        )


def _interrupted(plan: FilePlan, partial: PartialOutput, journal: Journal) -> str:
    if not journal.done:
        return "merge: stopped; nothing was written"
    return (
        f"merge: stopped; {len(journal.done)} of {len(plan.works)} tensors are kept in "
        f"{str(partial.folder)!r}: the same merge goes on from there, or delete the folder"
    )
