"""What a PEFT adapter's configuration says of its arithmetic; all that we cannot do is refused."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from .entries import CheckpointError
from .lora_folder import CONFIG

_MERGE = "merge it with PEFT (model.merge_and_unload()), save the model and give that"
# They change how an adapter is trained, started or found, and nothing of what it adds.
_WITHOUT_EFFECT = frozenset({
    "auto_mapping", "base_model_name_or_path", "corda_config", "ensure_weight_tying", "eva_config",
    "exclude_modules", "inference_mode", "layers_pattern", "layers_to_transform", "loftq_config",
    "lora_dropout", "lora_ga_config", "megatron_config", "megatron_core", "modules_to_save",
    "parent_library", "peft_version", "qalora_group_size", "revision", "runtime_config",
    "target_modules", "task_type", "velora_config",
})  # fmt: skip
_USED = frozenset({
    "alpha_pattern", "bias", "fan_in_fan_out", "init_lora_weights", "lora_alpha", "lora_bias",
    "peft_type", "r", "rank_pattern", "use_rslora",
})  # fmt: skip
_REFUSED = {
    "use_dora": "DoRA rescales the columns of the sum, which is no longer base + scale B A",
    "target_parameters": "LoRA of parameters that are no module's weight",
    "trainable_token_indices": "trained rows of an embedding",
    "layer_replication": "it stacks layers of its base before it adapts them",
    "alora_invocation_tokens": "activated LoRA is no sum of weights",
    "arrow_config": "Arrow routes between adapters by the input",
    "use_qalora": "QALoRA pools its inputs",
    "kasa_config": "KaSA truncates its base's weights",
    "use_bdlora": "block-diagonal factors",
    "monteclora_config": "MonteCLoRA draws its factors",
}
# What an adapter starts from, where PEFT then takes that much off its base's weights.
_STARTS_LEAVING_THE_BASE = frozenset({"gaussian", "orthogonal", "eva", "mica", "true", "false"})


@dataclass(frozen=True)
class LoraConfig:
    """The numbers of adapter_config.json that enter scale B A."""

    rank: int
    alpha: float
    rank_pattern: Mapping[str, int] = field(default_factory=dict)
    alpha_pattern: Mapping[str, float] = field(default_factory=dict)
    rank_stabilised: bool = False
    transposed: bool = False

    def rank_of(self, module: str) -> int:
        """The rank of a module's factors: the first pattern that ends its name, or `rank`."""
        return _by_pattern(self.rank_pattern, module, self.rank)

    def scale_of(self, module: str) -> float:
        """alpha / rank, or alpha / sqrt(rank) where the adapter is rank-stabilised (rsLoRA)."""
        rank = self.rank_of(module)
        alpha = _by_pattern(self.alpha_pattern, module, self.alpha)
        return alpha / (math.sqrt(rank) if self.rank_stabilised else rank)


def read_lora_config(folder: str) -> LoraConfig:
    """Read adapter_config.json; a CheckpointError names what is not plain LoRA, and what to do."""
    path = os.path.join(folder, CONFIG)
    content = _json(path)
    kind = content.get("peft_type")
    if kind != "LORA":
        _fail(path, f"peft_type is {kind!r}; only LORA is a low-rank sum", _MERGE)
    for option, reason in _REFUSED.items():
        if content.get(option):
            _fail(path, f"{option}: {reason}", _MERGE)
    _check_start(path, content.get("init_lora_weights", True))
    unknown = [
        key
        for key, value in content.items()
        if value and key not in _WITHOUT_EFFECT | _USED | _REFUSED.keys()
    ]
    if unknown:
        told = ", ".join(f"{key}={content[key]!r:.60}" for key in unknown[:8])
        _fail(path, f"unknown settings {told}, which may change what the adapter computes", _MERGE)
    return LoraConfig(
        rank=int(_number(path, content, "r", 8)),
        alpha=_number(path, content, "lora_alpha", 8),
        rank_pattern={k: int(v) for k, v in _pattern(path, content, "rank_pattern").items()},
        alpha_pattern=_pattern(path, content, "alpha_pattern"),
        rank_stabilised=bool(content.get("use_rslora")),
        transposed=bool(content.get("fan_in_fan_out")),
    )


def _json(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as stream:
            content = json.load(stream)
    except (OSError, ValueError, RecursionError) as error:
        _fail(path, f"cannot be read ({type(error).__name__}: {error})", "save the adapter again")
    if not isinstance(content, dict):
        _fail(path, f"holds a {type(content).__name__}", "expected the object that PEFT writes")
    return content


def _check_start(path: str, start: Any) -> None:
    if str(start).lower() not in _STARTS_LEAVING_THE_BASE:
        advice = "save it as plain LoRA (save_pretrained(..., path_initial_model_for_weight_con"
        _fail(
            path,
            f"init_lora_weights is {start!r}: the adapter belongs to weights that PEFT changes "
            f"when it starts it",
            f"{advice}version=...)), or {_MERGE}",
        )


def _number(path: str, content: Mapping[str, Any], key: str, default: int) -> float:
    value = content.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        _fail(path, f"{key} is {value!r}; expected a number", "save the adapter again")
    if key == "r" and value < 1:
        _fail(path, f"r is {value!r}; expected a rank of at least 1", "save the adapter again")
    return float(value)


def _pattern(path: str, content: Mapping[str, Any], key: str) -> dict[str, float]:
    patterns = content.get(key) or {}
    if not isinstance(patterns, dict):
        _fail(path, f"{key} is {patterns!r:.60}; expected {{pattern: number}}", "save it again")
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            _fail(path, f"{key}: {pattern!r} is no regular expression ({error})", "correct it")
    return {pattern: _number(path, patterns, pattern, 0) for pattern in patterns}


def _by_pattern(patterns: Mapping[str, Any], module: str, default: Any) -> Any:
    """The value of the first pattern that matches whole last parts of the module's name."""
    found = (v for p, v in patterns.items() if re.match(rf"(.*\.)?({p})$", module))
    return next(found, default)


def _fail(path: str, what: str, advice: str) -> NoReturn:
    raise CheckpointError(f"LoRA: {path!r}: {what}; {advice}")
