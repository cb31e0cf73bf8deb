"""`taujp.inspect`: the numbers to look at before merging."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import taujp_ext
from taujp.checkpoint import Checkpoint, CheckpointError, check_agreement, open_checkpoint
from taujp.inspecting.directions import OneMatrix, directions_of
from taujp.inspecting.elements import Elements, elements_of
from taujp.inspecting.result import Directions, Inspection, Part
from taujp.merge.adapters import open_input
from taujp.tangent.attribution import layer_groups

WHOLE = "whole model"
MOST_DIRECTIONS = 1 << 16  # of a matrix; tables have room for so many


def inspect(
    checkpoints: Iterable[Any] | Mapping[str, Any],
    base: Any = None,
    *,
    by: str = "layer",
    top: int = 16,
    rename: Mapping[str, str] | None = None,
    prefix: str | None = None,
    missing: str = "error",
    progress: bool = False,
) -> Inspection:
    """See what fine-tunes changed, where, and how much of it is in each other's way.

    For the whole model and by layer: norms, cosines, conflicts of sign, what cancels in a sum, and
    of the matrices spectra, the overlap of subspaces and the interference of singular directions;
    `Part` and `Directions` have the equations. From files, one tensor at a time: no more memory
    than one matrix in fp32, and the strongest directions of each model.

    Args:
      checkpoints: whatever `open_checkpoint` takes, PEFT adapters of `base`; or {name: checkpoint}.
      base: theta0; all figures are of tau_i = theta_i - theta0. Without it of theta_i itself.
      by: "layer" (a block, or a module outside of blocks) or "tensor".
      top: how many singular directions are looked at; 0: none, which is much faster. Those of
        matrices with more than 1,024 rows and columns are found by a randomised method.
      rename, prefix, missing: as in merge_many: for names; only those that begin so; "ignore"
        leaves out what is not in all.

    Raises: CheckpointError where the checkpoints disagree or hold NaN; ValueError for options.
    """
    _check_options(by, top, missing)
    labels, opened, theta0 = _opened(checkpoints, base, rename)
    names = _agreed_names(theta0, opened, prefix, missing)
    taujp_ext.load()
    threads = torch.get_num_threads()
    groups = layer_groups(names) if by == "layer" else {name: [name] for name in names}
    whole, everywhere, parts = Elements.none(len(opened)), [], []
    with tqdm(
        total=len(names), desc="inspect", disable=None if progress else True, leave=False
    ) as bar:
        for group in sorted(groups, key=_natural):
            sums, matrices = Elements.none(len(opened)), []
            for name in groups[group]:
                sums += elements_of(theta0, opened, name, threads)
                if top and len(shape := opened[0].entries[name].shape) == 2 and min(shape) > 1:
                    matrices.append(directions_of(theta0, opened, name, top))
                bar.update()
            parts.append(_part(group, sums, matrices, theta0, top))
            whole += sums
            everywhere += matrices
    return Inspection(
        models=labels,
        base=None if theta0 is None else _name_of(base, "base"),
        by=by,
        whole=_part(WHOLE, whole, everywhere, theta0, top),
        parts=tuple(parts),
    )


def _check_options(by: str, top: int, missing: str) -> None:
    if by not in ("layer", "tensor"):
        raise ValueError(f"inspect: by is {by!r}; expected 'layer' or 'tensor'")
    if not isinstance(top, int) or not 0 <= top <= MOST_DIRECTIONS:
        raise ValueError(
            f"inspect: top is {top!r}; expected a whole number up to {MOST_DIRECTIONS}, 0 for no "
            "directions"
        )
    if missing not in ("error", "ignore"):
        raise ValueError(f"inspect: missing is {missing!r}; expected 'error' or 'ignore'")


def _opened(
    checkpoints: Iterable[Any] | Mapping[str, Any], base: Any, rename: Mapping[str, str] | None
) -> tuple[tuple[str, ...], tuple[Checkpoint, ...], Checkpoint | None]:
    if isinstance(checkpoints, str | os.PathLike):
        raise ValueError(f"inspect: checkpoints is one path; expected a list: [{checkpoints!r}]")
    if isinstance(checkpoints, Mapping):
        given = {str(name): source for name, source in checkpoints.items()}
    else:
        sources = list(checkpoints)
        given = dict(zip(_names_of(sources), sources, strict=True))
    if not given:
        raise ValueError("inspect: no checkpoints; expected at least one")
    theta0 = None if base is None else open_checkpoint(base, label="base", rename=rename)
    opened = tuple(open_input(source, theta0, label, rename) for label, source in given.items())
    return tuple(given), opened, theta0


def _agreed_names(
    base: Checkpoint | None, opened: Sequence[Checkpoint], prefix: str | None, missing: str
) -> tuple[str, ...]:
    reference = base or opened[0]
    wanted = None if prefix is None else [n for n in reference.entries if n.startswith(prefix)]
    names = check_agreement(base, opened, names=wanted, missing=missing, operation="inspect").names
    if not names:
        raise CheckpointError(
            f"inspect: {reference.label} has no floating parameters that begin with "
            f"{prefix or ''!r} and are in all; expected some; check prefix= and missing= "
            "(--prefix, --missing)"
        )
    return names


def _names_of(sources: Sequence[Any]) -> list[str]:
    """File and folder names; with a number where two are alike."""
    names = [_name_of(source, f"checkpoint {i}") for i, source in enumerate(sources)]
    return [f"{name} ({i})" if names.count(name) > 1 else name for i, name in enumerate(names)]


def _name_of(source: Any, otherwise: str) -> str:
    if not isinstance(source, str | os.PathLike):
        return otherwise
    path = Path(source)
    return path.name if path.is_dir() else path.stem


def _natural(name: str) -> list[tuple[int, str]]:
    """Block 10 after block 9."""
    parts = re.split(r"(\d+)", name)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts]


def _part(
    name: str,
    sums: Elements,
    matrices: Sequence[OneMatrix],
    base: Checkpoint | None,
    top: int,
) -> Part:
    norms = sums.dots.diagonal().clamp(min=0).sqrt()
    scale = norms[:, None] * norms
    cosines = (sums.dots / scale.where(scale > 0, 1.0)).where(scale > 0, 0.0).clamp(-1, 1)
    return Part(
        name=name,
        parameters=sums.count,
        norms=tuple(norms.tolist()),
        base_norm=None if base is None else sums.base**0.5,
        cosines=_rows(cosines),
        changed=tuple((sums.changed / max(sums.count, 1)).tolist()),
        conflict=sums.opposed / sums.several if sums.several else 0.0,
        cancelled=1 - sums.left / sums.moved if sums.moved else 0.0,
        directions=_mean(matrices, top) if matrices else None,
    )


def _mean(matrices: Sequence[OneMatrix], top: int) -> Directions:
    """The means over matrices, each counting alike."""

    def mean(name: str) -> torch.Tensor:
        return torch.stack([getattr(one, name) for one in matrices]).mean(0)

    return Directions(
        matrices=len(matrices),
        k=top,
        shares=_rows(mean("shares")),
        stable_ranks=tuple(mean("stable_ranks").tolist()),
        overlap=_rows(mean("overlap")),
        interference=sum(one.interference for one in matrices) / len(matrices),
    )


def _rows(matrix: torch.Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix.tolist()))
