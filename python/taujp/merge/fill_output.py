"""From a plan to a complete output in its partial folder: merge, headers, companions, check."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import taujp_ext
from taujp.checkpoint import CheckpointError, unchanged

from .engine import Finished, numbered, run
from .errors import MergeError
from .file_plan import FilePlan
from .jobs import merging_job
from .journal import Done, Journal, read_journal
from .nonfinite_files import report_nonfinite
from .output_layout import OutputLayout
from .partial_output import PartialOutput
from .provenance import fingerprint_of_checkpoint, with_fingerprints
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
        for checkpoint in plan.checkpoints:
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
    if not done or not whole or plan.merge.recipe.over_model:
        partial.clear()
        return Journal(partial.journal, plan.digest, {})
    written = {n: _results(plan, n, d) for n, d in done.items()}
    kept = intact(plan, partial.content, written)
    return Journal(partial.journal, plan.digest, {n: done[n] for n in sorted(kept)})


def _results(plan: FilePlan, number: int, done: Done) -> tuple[int, ...]:
    """The fingerprints of what a work wrote: a copy writes its source, K times."""
    work = plan.works[number]
    if work.copy:
        return done.fingerprints * plan.merge.coefficients.results
    return done.fingerprints[len(work.sources) :]


def _reserve(plan: FilePlan, partial: PartialOutput) -> None:
    for output in plan.outputs:
        path = partial.content / output.path
        path.parent.mkdir(parents=True, exist_ok=True)
        taujp_ext.stream().reserve(str(path), output.size)


def _merge(plan: FilePlan, content: Path, journal: Journal, progress: Progress | None) -> None:
    numbers = [n for n in range(len(plan.works)) if n not in journal.done]
    before = sum(plan.works[n].bytes_read for n in journal.done)
    total = sum(work.bytes_read for work in plan.works)
    faults = [n for n, done in journal.done.items() if done.nonfinite]

    def finished(batch: Finished) -> None:
        journal.record(batch)
        faults.extend(number for number, done in batch if done.nonfinite)

    def tick(done: int) -> None:
        if faults and not plan.merge.allow_nonfinite:
            report_nonfinite(plan, sorted(faults))
            faults.clear()
        if progress is not None:
            progress(before + done, total)

    tick(0)
    if plan.merge.formula is None:
        run(merging_job(plan, content, numbers), numbered(numbers, finished), tick)
    else:
        from .tensors_to_files import merge_tensors_to_files  # imports torch

        merge_tensors_to_files(plan, content, numbers, finished, tick)


def _write_headers(plan: FilePlan, layout: OutputLayout, content: Path, journal: Journal) -> None:
    fingerprints = [
        fingerprint_of_checkpoint(
            (checkpoint.entries[work.names[0]].stored_name, journal.done[n].fingerprints[position])
            for n, work in enumerate(plan.works)
            if not work.copy
        )
        for position, checkpoint in enumerate(plan.checkpoints)
    ]
    for output in plan.outputs:
        with open(content / output.path, "r+b") as stream:
            stream.write(with_fingerprints(output.header, fingerprints))
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
