"""Which parameters have a tangent: all of them, attention only, or by pattern of the name."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn

# The names that attention has in open_clip, transformers and plain torch.
ATTENTION = (
    "*attn*",
    "*attention*",
    "*SelfAttention*",
    "*EncDecAttention*",
)
# Inside an attention's block, but not of it: BERT's attention.output.LayerNorm.
NOT_ATTENTION = ("*LayerNorm*", "*layer_norm*", "*.ln_*", "*norm*")


def trainable_names(module: nn.Module, trainable: str | Sequence[str] | None) -> list[str]:
    """The names of the floating parameters that `trainable` asks for; tied ones once."""
    floating = [name for name, value in module.named_parameters() if value.is_floating_point()]
    if trainable is None:
        return floating
    if isinstance(trainable, str) and trainable != "attention":
        trainable = [trainable]
    if trainable == "attention":
        chosen = [
            name
            for name in floating
            if _matches(name, ATTENTION) and not _matches(name, NOT_ATTENTION)
        ]
    else:
        chosen = [name for name in floating if _matches(name, trainable)]
    if not chosen:
        raise ValueError(
            f"linearize: trainable is {trainable!r}, which names none of the parameters "
            f"{floating[:5]}...; expected None, 'attention' or patterns such as '*attn*'"
        )
    return chosen


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
