"""From a plan to a complete output in its partial folder: merge, headers, companions, check."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection
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
from .overflow import Overflow, check_written
from .partial_output import PartialOutput
from .parts import do_part, parts_of
from .provenance import with_fingerprints
from .read_back import intact
from .team import Team, share

Progress = Callable[[int, int], None]  # bytes read, bytes to read


def fill(
    plan: FilePlan,
    layout: OutputLayout,
    partial: PartialOutput,
    team: Team,
    progress: Progress | None,
) -> None:
    """Bring `partial` to completion, from whatever an earlier run of this plan left there.

    Every rank of the team does its share, with a journal of its own; the first one begins and ends.
    """
    if team.first:
        _begin(plan, partial)
    team.wait()
    journal = Journal(partial.journal(team.rank), plan.digest, _standing(plan, partial, team))
    try:
        if team.first:
            _reserve(plan, partial)
        team.wait()
        _merge(plan, partial.content, journal, share(plan, team), progress)
        for checkpoint in plan.assembly.checkpoints():
            unchanged(checkpoint)
        team.wait()  # files are read back once nobody writes to any
        _verify(plan, partial, journal)
        check_written(plan, partial.content, journal.done)
        team.wait()
        if team.first:
            _write_headers(plan, layout, partial)
    except BaseException as error:
        alone = team.size == 1
        if alone and (not journal.done or isinstance(error, CheckpointError | Overflow)):
            partial.discard()  # nothing in it that a later run could go on from
        if isinstance(error, KeyboardInterrupt):
            raise KeyboardInterrupt(_interrupted(plan, partial, journal)) from None
        raise
    finally:
        journal.close()


def _begin(plan: FilePlan, partial: PartialOutput) -> None:
    """Keep of an earlier run of this merge what is as its journals say, in one; or begin anew."""
    done = _told(plan, partial)
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
        done = {}
        partial.clear()
    written = {n: _results(plan, n, d) for n, d in done.items()}
    kept = intact(plan, partial.content, written) if written else set()
    Journal(partial.journal(), plan.digest, {n: done[n] for n in sorted(kept)}).close()
    for path in partial.journals()[1:]:
        path.unlink()


def _told(plan: FilePlan, partial: PartialOutput) -> dict[int, Done] | None:
    """What all journals of this merge say is done; None where there is none of it."""
    found = [read_journal(path, plan.digest) for path in partial.journals()]
    told = [done for done in found if done is not None]
    return {n: d for done in told for n, d in done.items()} if told else None


def _standing(plan: FilePlan, partial: PartialOutput, team: Team) -> dict[int, Done]:
    """What stood at the beginning of this rank's share."""
    own = share(plan, team)
    begun = read_journal(partial.journal(), plan.digest) or {}
    return {n: done for n, done in begun.items() if n in own}


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


def _merge(
    plan: FilePlan,
    content: Path,
    journal: Journal,
    share: Collection[int],
    progress: Progress | None,
) -> None:
    numbers = sorted(set(share) - journal.done.keys())
    begun = sum(plan.works[n].bytes_read for n in journal.done)
    total = sum(plan.works[n].bytes_read for n in share)
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


def _write_headers(plan: FilePlan, layout: OutputLayout, partial: PartialOutput) -> None:
    done = _told(plan, partial) or {}
    lost = [work.names[0] for n, work in enumerate(plan.works) if n not in done]
    if lost:
        raise MergeError(
            f"merge: the journals of {len(lost)} tensors ({', '.join(lost[:5])}) are not in "
            f"{str(partial.folder)!r}; all ranks must write to one file system"
        )
    found = fingerprints_of(plan, done)
    for output in plan.outputs:
        with open(partial.content / output.path, "r+b") as stream:
            stream.write(with_fingerprints(output.header, found))
    layout.write_companions(partial.content)


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
