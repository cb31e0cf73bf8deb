"""Merging from files to files: bounded memory, nothing half-written, and a rerun goes on."""

from __future__ import annotations

import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from taujp.device import usable

from .assembly import Assembly, alone
from .errors import MergeError
from .file_plan import FilePlan, plan_files
from .fill_output import Progress, fill
from .open_files import allow_open_files
from .output_layout import SUFFIX, lay_out, target_of
from .partial_output import PartialOutput, check_target
from .prepare import Merge
from .team import ALONE, Team, threads_each, torchrun_team


def merge_to_files(merge: Merge, out: str | os.PathLike[str], **options: Any) -> list[str]:
    """One merge into files, with the options of `assemble_to_files`."""
    return assemble_to_files(alone(merge), out, **options)


def assemble_to_files(
    assembly: Assembly,
    out: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    threads: int | None = None,
    donor: str | os.PathLike[str] | None = None,
    sha256: bool = False,
    shard_size: int | None = None,
    ranks: bool = False,
    device: str = "cpu",
) -> list[str]:
    """Merge into files: one path for each of the K results.

    Args:
      out: a name ending in .safetensors makes one file; any other a folder with the shards, the
        config and the tokenizer of the donor. K > 1: a folder of 000.safetensors, 001.safetensors
        ... where the donor is a file, of folders 000, 001, ... where it is a folder.
      overwrite: replace an output that exists, in one step once the new one is complete.
      progress: called about ten times a second with the bytes read and the bytes to read.
      donor: the folder whose config and tokenizer go along; default: the base's, or the first's.
      sha256: record the SHA-256 of every input file as well; reads them a second time.
      shard_size: bytes that a file of a folder may hold; default: files as the donor has them.
      ranks: all ranks of a torchrun job make this call, and each writes some of the output's files.
      device: where the formulas of methods in torch run, "cuda" or "cuda:1", a tensor of all
        checkpoints at a time; what the kernels do from files they do on the CPU.

    The output grows in `.NAME.taujp-partial` beside it. After an error, Ctrl-C or a kill that is
    all there is; the same call goes on from it. Raises CheckpointError, MergeError, OSError.
    """
    target = target_of(out)
    _check_shard_size(shard_size, target)
    team = torchrun_team() if ranks else ALONE
    layout = lay_out(assembly, target, donor=donor, sha256=sha256, shard_size=shard_size)
    each = threads_each(team) if threads is None else threads
    plan = plan_files(assembly, layout, threads=each, device=_there(device))
    allow_open_files(len(plan.inputs) + len(plan.outputs))
    _check_files_only(plan, team)
    check_target(
        target,
        overwrite=overwrite,
        writes=layout.all_paths,
        inputs=[source.path for source in plan.inputs],
    )
    team.wait()  # nobody writes before all have looked
    partial = PartialOutput(target)
    with partial if team.first else nullcontext():
        fill(plan, layout, partial, team, progress)
        if team.first:
            partial.publish()
    team.wait()
    return [str(target / result) for result in layout.results]


def _check_files_only(plan: FilePlan, team: Team) -> None:
    if team.size > 1 and plan.kept:
        raise MergeError(
            f"merge: {len(plan.kept)} inputs are tensors in memory, which {team.size} ranks cannot "
            f"know to be the same; save them to files first"
        )


def _there(device: str) -> str:
    """The device, or a MergeError where this machine lacks it."""
    try:
        return usable(device)
    except ValueError as error:
        raise MergeError(str(error)) from None


def _check_shard_size(shard_size: int | None, target: Path) -> None:
    if shard_size is None:
        return
    if not isinstance(shard_size, int) or isinstance(shard_size, bool) or shard_size < 1:
        raise MergeError(f"shard_size is {shard_size!r}; expected a number of bytes, at least 1")
    if target.name.endswith(SUFFIX):
        raise MergeError(
            f"shard_size splits the output, and out names one file, {str(target)!r}; name a folder"
        )
