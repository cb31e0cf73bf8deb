"""Whether a weight is stored [inputs, outputs], as GPT-2's Conv1D and every embedding is.

Shapes tell, but for square weights: those follow the adapter's other weights of their kind (inside
or outside of numbered blocks), and where there are none, fan_in_fan_out of its configuration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from .entries import CheckpointError, Entry
from .lora_config import LoraConfig
from .lora_names import Parts

_NUMBERED = re.compile(r"(^|\.)\d+\.")


def orientations(
    folder: str,
    parts: Parts,
    factors: Mapping[str, Entry],
    config: LoraConfig,
    weights: Mapping[str, Entry],
) -> dict[str, bool]:
    """For each module of `parts`, of the base's `weights`, whether B A is to be transposed.

    Raises: CheckpointError where factors fit their weight neither way, or where nothing tells.
    """
    fitting = {
        module: _fitting(folder, module, names, factors, config, weights[module], parts)
        for module, names in parts.modules.items()
    }
    known: dict[bool, set[bool]] = {True: set(), False: set()}
    for module, ways in fitting.items():
        if len(ways) == 1 and module not in parts.embeddings:
            known[_numbered(module)] |= ways
    return {
        module: next(iter(ways)) if len(ways) == 1 else _of_a_square(folder, module, known, config)
        for module, ways in fitting.items()
    }


def _of_a_square(
    folder: str, module: str, known: Mapping[bool, set[bool]], config: LoraConfig
) -> bool:
    others = known[_numbered(module)]
    if len(others) > 1:
        raise CheckpointError(
            f"LoRA: {folder!r}: {module!r} is square, and of the adapter's other weights some are "
            f"stored [outputs, inputs] and some [inputs, outputs]; merge the adapter with PEFT "
            f"(model.merge_and_unload()), save the model and give that"
        )
    return next(iter(others), config.transposed)


def _fitting(
    folder: str,
    module: str,
    names: Mapping[str, str],
    factors: Mapping[str, Entry],
    config: LoraConfig,
    weight: Entry,
    parts: Parts,
) -> set[bool]:
    a, b, rank = factors[names["A"]], factors[names["B"]], config.rank_of(module)
    if not a.shape or not b.shape or (a.shape[0], b.size) != (rank, b.shape[0] * rank):
        raise CheckpointError(
            f"LoRA: {folder!r}: the factors of {module!r} have the shapes {a.shape} and {b.shape}; "
            f"its configuration says rank {rank}: [{rank}, inputs] and [outputs, {rank}]"
        )
    outputs, inputs = b.shape[0], a.size // rank
    ways = set()
    if (outputs, inputs) == (weight.shape[0], weight.size // max(weight.shape[0], 1)):
        ways.add(False)
    if (inputs, outputs) == weight.shape:
        ways.add(True)
    ways -= {False} if module in parts.embeddings else set()
    if not ways:
        raise CheckpointError(
            f"LoRA: {folder!r}: the factors of {module!r} make a change of {outputs} x {inputs}; "
            f"{weight.name!r} of the base has the shape {weight.shape}; give the model that the "
            f"adapter was trained on"
        )
    return ways


def _numbered(module: str) -> bool:
    return _NUMBERED.search(f"{module}.") is not None
