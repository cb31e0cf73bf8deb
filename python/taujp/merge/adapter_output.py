"""The folder of a PEFT adapter, as PEFT and transformers load it: written whole or not at all."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from taujp.checkpoint import open_checkpoint
from taujp.checkpoint.layout import layout_like
from taujp.checkpoint.lora_folder import CONFIG
from taujp.checkpoint.lora_names import PREFIX
from taujp.checkpoint.tensors import raw_bytes

from .extraction import Matrix
from .partial_output import PartialOutput

if TYPE_CHECKING:
    from torch import Tensor

WEIGHTS = "adapter_model.safetensors"


@dataclass(frozen=True)
class Factors:
    """B [outputs, rank] and A [rank, inputs] of one module; their product is what it adds."""

    matrix: Matrix
    b: Tensor
    a: Tensor

    @property
    def rank(self) -> int:
        """The number of directions."""
        return int(self.a.shape[0])


def write_adapter(
    target: Path,
    factors: Sequence[Factors],
    biases: Mapping[str, Tensor],
    whole: Mapping[str, Tensor],
    base: str | None,
) -> None:
    """Write adapter_config.json and adapter_model.safetensors into a new folder.

    biases: of adapted modules, by PEFT's names; whole: all of the modules that are kept whole.
    """
    named: dict[str, Tensor] = {**whole, **biases}
    for one in factors:
        kind, leaf = ("lora_embedding_", "") if one.matrix.embedding else ("lora_", ".weight")
        named[f"{one.matrix.module}.{kind}A{leaf}"] = one.a
        named[f"{one.matrix.module}.{kind}B{leaf}"] = one.b
    config = _config(factors, sorted({name.rpartition(".")[0] for name in whole}), base)
    config["bias"] = "lora_only" if biases else "none"
    with PartialOutput(target) as partial:
        try:
            partial.clear()
            partial.content.mkdir()
            (partial.content / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
            _write(partial.content / WEIGHTS, {PREFIX + name: t for name, t in named.items()})
            partial.publish()
        except BaseException:
            partial.discard()
            raise


def _config(factors: Sequence[Factors], kept: list[str], base: str | None) -> dict[str, Any]:
    """PEFT's settings, with alpha = rank everywhere: the scale is 1."""
    ranks = {one.matrix.module: one.rank for one in factors}
    usual = Counter(ranks.values()).most_common(1)[0][0]
    others = {_pattern(name, ranks): rank for name, rank in ranks.items() if rank != usual}
    turned = [one.matrix.transposed for one in factors if not one.matrix.embedding]
    return {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": base,
        "inference_mode": True,
        "r": usual,
        "lora_alpha": usual,
        "rank_pattern": others,
        "alpha_pattern": others,
        "target_modules": list(ranks),
        "modules_to_save": kept or None,
        "fan_in_fan_out": 2 * sum(turned) > len(turned),
        "init_lora_weights": True,
        "lora_dropout": 0.0,
        "use_rslora": False,
        "use_dora": False,
    }


def _pattern(name: str, names: Iterable[str]) -> str:
    """A regular expression that ends this module's name alone among the names."""
    alone = not any(other.endswith(f".{name}") for other in names)
    return re.escape(name) if alone else f"^{re.escape(name)}"


def _write(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """A safetensors file of tensors in memory."""
    held = open_checkpoint(tensors, label="adapter")
    described = {name: (entry.dtype, entry.shape) for name, entry in held.entries.items()}
    (layout,) = layout_like(held, described, one_file=True).files
    with path.open("wb") as stream:
        stream.write(layout.header)
        for name, offset in layout.offsets.items():
            stream.seek(offset)
            stream.write(raw_bytes(held, held.entries[name]))
