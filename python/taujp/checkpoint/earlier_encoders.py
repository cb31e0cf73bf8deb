"""The image encoder in checkpoints of earlier task-arithmetic projects, under this project's names.

Those pickle their whole ImageEncoder (an open_clip model within `model`), or keep the state dict of
a LinearizedImageEncoder, whose weights have lost their names: `model.params.N` are theta and
`model.params0.N` theta0, numbered as named_parameters() lists the encoder's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .entries import Checkpoint, CheckpointError
from .tensors import tensor_of

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "visual."
_NUMBERED = re.compile(r"(?P<list>(?:.*\.)?params0?)\.(?P<number>\d+)")


@dataclass(frozen=True)
class EarlierEncoder:
    """Weights by the names of `theta0`, and the mode they were fine-tuned in."""

    state: dict[str, Tensor]
    mode: str


def encoder_within(
    found: Checkpoint,
    theta0: Mapping[str, Tensor],
    *,
    buffers: Collection[str] = (),
    prefix: str | None = None,
) -> EarlierEncoder:
    """The encoder's weights in a checkpoint, under the names and in the dtypes of `theta0`.

    theta0: the weights of the pre-trained model's encoder, "visual.*", in the order of its
    parameters (taujp.train.encoder_state). buffers: those of its names that are no parameters.
    prefix: what stands before "visual." in the file; None: found out. Numbered weights are
    recognised by their order and shapes, their theta0 must be this one, and buffers, which such
    files lack, are theta0's.

    Raises: CheckpointError where names, shapes or theta0 do not fit, or several places do.
    """
    numbered = _numbered(found)
    if numbered and prefix is None:
        parameters = {name: value for name, value in theta0.items() if name not in buffers}
        state = {**theta0, **_by_number(found, parameters, numbered)}
        return EarlierEncoder(state, "linear")
    before = _prefix(found) if prefix is None else prefix
    return EarlierEncoder(_by_name(found, theta0, before), "standard")


def _by_name(found: Checkpoint, theta0: Mapping[str, Tensor], before: str) -> dict[str, Tensor]:
    """The weights called `before` + name."""
    here = {name.removeprefix(before) for name in found.entries if name.startswith(before + PREFIX)}
    missing, extra = sorted(theta0.keys() - here), sorted(here - theta0.keys())
    if missing or extra:
        raise _error(
            found,
            f"under '{before}' {len(missing)} weights are missing ({missing[:3]}) and {len(extra)} "
            f"are unknown ({extra[:3]})",
        )
    return {name: _fitting(found, before + name, value) for name, value in theta0.items()}


def _by_number(
    found: Checkpoint, theta0: Mapping[str, Tensor], numbered: Mapping[str, Sequence[str]]
) -> dict[str, Tensor]:
    """The weights whose shapes, in the order of their numbers, are those of theta0."""
    (finetuned,) = (names for kind, names in numbered.items() if kind.endswith("params"))
    before = next((names for kind, names in numbered.items() if kind.endswith("params0")), None)
    wanted = [tuple(value.shape) for value in theta0.values()]
    shapes = [found.entries[name].shape for name in finetuned]
    starts = [
        start
        for start in range(len(shapes) - len(wanted) + 1)
        if shapes[start : start + len(wanted)] == wanted
    ]
    if before is not None:
        starts = [start for start in starts if _same_theta0(found, before[start:], theta0)]
    if len(starts) != 1:
        raise _error(
            found,
            f"its {len(shapes)} numbered weights hold the encoder's {len(wanted)} at "
            f"{len(starts)} places{' with the same theta0' * (before is not None)}; expected one",
        )
    names = finetuned[starts[0] : starts[0] + len(wanted)]
    return {
        name: _fitting(found, own, value)
        for own, (name, value) in zip(names, theta0.items(), strict=True)
    }


def _same_theta0(found: Checkpoint, names: Sequence[str], theta0: Mapping[str, Tensor]) -> bool:
    """Whether the weights before fine-tuning are `theta0`, to the rounding of fp16."""
    if len(names) < len(theta0):
        return False
    return all(
        found.entries[name].shape == tuple(value.shape)
        and tensor_of(found, name).float().allclose(value.cpu().float(), rtol=2e-3, atol=1e-6)
        for name, value in zip(names, theta0.values(), strict=False)
    )


def _numbered(found: Checkpoint) -> dict[str, list[str]]:
    """{"model.params": its names by number, "model.params0": likewise}; {} for named weights."""
    lists: dict[str, dict[int, str]] = {}
    for name in found.entries:
        if match := _NUMBERED.fullmatch(name):
            lists.setdefault(match["list"], {})[int(match["number"])] = name
    kinds = [kind.rpartition(".")[2] for kind in lists]
    if "params" not in kinds:
        return {}
    whole = all(sorted(names) == list(range(len(names))) for names in lists.values())
    if len(set(kinds)) < len(kinds) or not whole:
        raise _error(found, f"its lists of numbered weights {sorted(lists)} have gaps or rivals")
    return {kind: [names[number] for number in sorted(names)] for kind, names in lists.items()}


def _prefix(found: Checkpoint) -> str:
    """What stands before "visual." in all names that have it."""
    before = {
        name[: match.start()]
        for name in found.entries
        if (match := re.search(r"(?:^|(?<=\.))visual\.", name))
    }
    if len(before) != 1:
        raise _error(
            found,
            f"image encoders stand under {sorted(before) or 'no name'}; expected one 'visual.'; "
            "say which with prefix (--prefix)",
        )
    return before.pop()


def _fitting(found: Checkpoint, name: str, value: Tensor) -> Tensor:
    shape = found.entries[name].shape
    if shape != tuple(value.shape):
        raise _error(found, f"{name!r} has the shape {shape}; the model has {tuple(value.shape)}")
    return tensor_of(found, name).to(value.dtype).clone()


def _error(found: Checkpoint, what: str) -> CheckpointError:
    return CheckpointError(
        f"import: {found.label}: {what}; check that it was fine-tuned from the model that is given "
        "(--model)"
    )
