"""The names in a PEFT adapter's file: which factors belong together, and to what of the base."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from .entries import CheckpointError

PREFIX = "base_model.model."
_MERGE = "merge the adapter with PEFT (model.merge_and_unload()), save the model and give that"
_FACTOR = re.compile(r"(.+?)\.lora_(embedding_)?([AB])((?:\.[^.]+)*)")
_WRAPPERS = re.compile(r"\.(base_layer|modules_to_save(\.[^.]+)?)(?=\.)")
_FOREIGN = re.compile(r"\.(lora|ia3|hada|lokr|oft|vera|boft|token_adapter|trainable_tokens)[._]")
_LEAVES = ("weight", "in_proj_weight")  # of a linear layer, and of attention's joint projection

Names = Mapping[str, object]


@dataclass
class Parts:
    """The adapter's tensors by their own names: two factors a module, and whole parameters.

    modules: {module: {"A", "B", "bias": name in the adapter's file}}; embeddings: the modules whose
    factors are an embedding's; whole: {parameter: name in the adapter's file}.
    """

    modules: dict[str, dict[str, str]] = field(default_factory=dict)
    embeddings: set[str] = field(default_factory=set)
    whole: dict[str, str] = field(default_factory=dict)


def parts_of(path: str, names: Iterable[str]) -> Parts:
    """Sort the names of an adapter's file; a CheckpointError tells what is no LoRA."""
    parts, adapters = Parts(), set()
    for name in names:
        own = name.removeprefix(PREFIX)
        match = _FACTOR.fullmatch(own)
        if match is None:
            _take_whole(path, own, name, parts)
            continue
        if ".base_layer." in match[1]:
            _fail(
                path,
                f"{name!r} adapts a projection inside of torch's MultiheadAttention, whose change "
                f"PEFT adds twice",
                _MERGE,
            )
        *adapter, leaf = match[4].split(".")[1:] or [""]
        if leaf not in ("weight", "bias"):  # an embedding's factors have no leaf
            adapter, leaf = ([leaf] if leaf else []), "weight"
        adapters.add(".".join(adapter))
        module = _WRAPPERS.sub("", match[1] + ".")[:-1]
        kind = match[3] if leaf == "weight" else "bias"
        parts.modules.setdefault(module, {})[kind] = name
        if match[2]:
            parts.embeddings.add(module)
    if len(adapters) > 1:
        _fail(path, f"holds several adapters: {sorted(adapters)}", "save one of them by itself")
    _check_pairs(path, parts)
    return parts


def _take_whole(path: str, own: str, name: str, parts: Parts) -> None:
    if _FOREIGN.search(own):
        _fail(
            path,
            f"{name!r} is neither a factor of LoRA nor a whole parameter (DoRA, or another method)",
            _MERGE,
        )
    if ".original_module." not in own:  # the base's own, kept beside what replaces it
        parts.whole[_WRAPPERS.sub("", own)] = name


def _check_pairs(path: str, parts: Parts) -> None:
    halves = [module for module, found in parts.modules.items() if not {"A", "B"} <= found.keys()]
    if halves:
        _fail(path, f"lora_A or lora_B of {', '.join(halves[:10])} is missing", "save it again")
    if not parts.modules and not parts.whole:
        _fail(path, "holds no tensors", "expected lora_A and lora_B of some module")


def parameter_of(module: str, base: Names) -> str | None:
    """The parameter of the base that a module's factors change."""
    return next((f"{module}.{leaf}" for leaf in _LEAVES if f"{module}.{leaf}" in base), None)


def translation(path: str, parts: Parts, base: Names, label: str) -> Callable[[str], str]:
    """From the adapter's names to the base's, which may have one beginning more or less.

    A model with a head calls "transformer.h.0.attn" what the model without calls "h.0.attn".
    """
    modules, wholes = list(parts.modules), list(parts.whole)
    candidates: list[Callable[[str], str]] = [lambda name: name]
    firsts = {name.partition(".")[0] for name in (*modules, *wholes)}
    if len(firsts) == 1:
        candidates.append(lambda name: name.partition(".")[2])
    candidates += [_behind(beginning) for beginning in _beginnings(modules, wholes, base)]

    def lost(candidate: Callable[[str], str]) -> list[str]:
        return [m for m in modules if parameter_of(candidate(m), base) is None] + [
            w for w in wholes if candidate(w) not in base
        ]

    fitting = [candidate for candidate in candidates if not lost(candidate)]
    if len(fitting) == 1 or (fitting and fitting[0] is candidates[0]):
        return fitting[0]
    if fitting:
        told = sorted({candidate((modules or wholes)[0]) for candidate in fitting})
        _fail(path, f"fits {label} in {len(fitting)} ways: {', '.join(told[:4])}", "rename it")
    missing = lost(candidates[0])
    _fail(
        path,
        f"changes {len(missing)} parameters that {label} lacks: {', '.join(missing[:6])}"
        f"{', ...' if len(missing) > 6 else ''}; it has, e.g., {', '.join(list(base)[:3])}",
        "give the model that the adapter was trained on (with untied weights where it adapts both "
        "of two tied ones)",
    )


def _behind(beginning: str) -> Callable[[str], str]:
    return lambda name: beginning + name


def _beginnings(modules: list[str], wholes: list[str], base: Names) -> list[str]:
    """What the base has before the adapter's first name, wherever that name ends one of its own."""
    ends = [f".{modules[0]}.{leaf}" for leaf in _LEAVES] if modules else [f".{wholes[0]}"]
    found = (
        name[: len(name) - len(end) + 1] for end in ends for name in base if name.endswith(end)
    )
    return list(dict.fromkeys(found))


def _fail(path: str, what: str, advice: str) -> NoReturn:
    raise CheckpointError(f"LoRA: {path!r}: {what}; {advice}")
