"""Checkpoints of earlier projects as this project's: safetensors, named, with their mode."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from taujp.checkpoint.earlier_encoders import encoder_within
from taujp.checkpoint.module_file import open_module
from taujp.reproduce.candidates import Candidate, Way, first_round, second_round
from taujp.reproduce.run import Asked
from taujp.reproduce.world import Place
from taujp.train.checkpoint import save_finetuned
from taujp.train.encoder import encoder_state


def import_checkpoint(
    source: str | Path,
    model: Any,
    out: str | Path,
    *,
    prefix: str | None = None,
    mode: str | None = None,
    configuration: Mapping[str, Any] | None = None,
) -> str:
    """Writes the image encoder of a pickled module to `out`; returns its mode.

    source: what an earlier project saved with torch.save; none of its code is run. model: the
    open_clip model that it was fine-tuned from. prefix: as in encoder_within. mode: None: as the
    file's form says ("linear" for numbered weights beside their theta0, else "standard").
    CheckpointError, a ValueError, where the file does not fit the model.
    """
    buffers = [name for name, _ in model.named_buffers()]
    found = encoder_within(
        open_module(source), encoder_state(model), buffers=buffers, prefix=prefix
    )
    made = mode or found.mode
    origin = {"file": Path(source).name, "sha256": _digest(Path(source))}
    settings = {
        "mode": made,
        "configuration": {**(configuration or {}), "imported": origin},
    }
    save_finetuned(found.state, Path(out), settings)
    return made


def import_tasks(
    asked: Asked, place: Place, sources: Mapping[str, Path], *, prefix: str | None = None
) -> None:
    """Puts checkpoints of earlier projects where `reproduce` would train its own.

    ValueError unless one way, one seed and one setting of it are asked for, and where a file was
    fine-tuned in another mode than the way's.
    """
    from taujp.train.model import load_model

    candidates = [one for way in asked.ways for one in _settings(asked, way)]
    unknown = sorted(sources.keys() - set(asked.setup.tasks))
    if len(candidates) != 1 or unknown:
        raise ValueError(
            f"--import: {len(candidates)} settings of ways and seeds are asked for, and unknown "
            f"tasks are {unknown or 'none'}; expected one of --ways, --seeds, --grid and --weights "
            f"and tasks of {', '.join(asked.setup.tasks)}"
        )
    model = load_model(asked.setup.model).model
    for task, source in sources.items():
        out = candidates[0].checkpoint(place.out, task)
        mode = import_checkpoint(source, model, out, prefix=prefix, configuration={"task": task})
        if mode != candidates[0].way.mode:
            out.unlink()
            raise ValueError(
                f"--import {task}={source}: is of mode '{mode}'; expected "
                f"'{candidates[0].way.mode}', that of '{candidates[0].way.label}'; choose another "
                "--ways"
            )


def _settings(asked: Asked, way: Way) -> list[Candidate]:
    """Everything that would be tried of a way."""
    return [
        one
        for seed in asked.seeds
        for first in first_round(way, asked.setup, seed)
        for one in second_round(first, asked.setup)
    ]


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while part := stream.read(1 << 20):
            digest.update(part)
    return digest.hexdigest()
