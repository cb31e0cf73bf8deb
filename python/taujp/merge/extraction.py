"""Which parameters of a fine-tuned model an adapter takes as factors, which whole, and which not."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from taujp.checkpoint import Checkpoint

from .errors import MergeError

# Modules that are nn.Embedding by the names that models give them; PEFT has other factors for them.
EMBEDDINGS = (
    "*embed_tokens", "*embed_positions", "*embedding", "*embeddings", "*wte", "*wpe", "*shared",
    "*relative_attention_bias",
)  # fmt: skip
_JOINT = ".in_proj_weight"  # of torch's MultiheadAttention, which PEFT adapts as the module itself


@dataclass(frozen=True)
class Matrix:
    """A weight to be written as factors: PEFT's module, and whether its rows are inputs."""

    name: str
    module: str
    embedding: bool
    transposed: bool


@dataclass(frozen=True)
class Sorted:
    """Names of changed parameters by where they go; `left_out` says why not."""

    matrices: tuple[Matrix, ...]
    whole: tuple[str, ...]
    biases: tuple[str, ...]
    left_out: Mapping[str, str]


def sort_out(
    theta0: Checkpoint,
    changed: Sequence[str],
    rank: int | None,
    modules: Iterable[str],
    embeddings: Iterable[str],
    *,
    whole: bool,
) -> Sorted:
    """Where each of the changed parameters goes.

    Matrices of the modules that match become factors, unless those of `rank` would be no smaller;
    biases of their modules go along. Of the rest whole modules are kept where `whole` says so and
    the module has nothing but its own parameters (a norm, a head), as PEFT's modules_to_save.
    """
    chosen = [
        _matrix(theta0, name, embeddings)
        for name in changed
        if _is_matrix(theta0, name, rank) and _matches(_module(name), modules)
    ]
    if not chosen:
        raise MergeError(
            f"extract_lora: none of the {len(changed)} changed parameters is a matrix larger than "
            f"its factors whose module matches {list(modules)}; choose a lower rank or other modules"
        )
    matrices = _oriented(theta0, chosen)
    adapted = {matrix.name for matrix in matrices}
    inside = {_module(name) for name in adapted}
    biases = [
        n for n in changed if n.endswith("bias") and n not in adapted and _module(n) in inside
    ]
    kept, left_out = [], {}
    for name in changed:
        if name in adapted or name in biases:
            continue
        reason = _why_not(theta0, name, inside) if whole else "whole parameters were not asked for"
        if reason:
            left_out[name] = reason
        else:
            kept.append(name)
    return Sorted(tuple(matrices), tuple(kept), tuple(biases), left_out)


def siblings(theta0: Checkpoint, name: str) -> list[str]:
    """All tensors of the module of a parameter: PEFT keeps a module whole."""
    return [other for other in theta0.entries if _module(other) == _module(name)]


def _module(name: str) -> str:
    return name.rpartition(".")[0]


def _is_matrix(theta0: Checkpoint, name: str, rank: int | None) -> bool:
    shape = theta0.entries[name].shape
    if len(shape) != 2 or not name.endswith((".weight", _JOINT)):
        return False
    return rank is None or rank * sum(shape) < shape[0] * shape[1]


def _matches(module: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(module, pattern) for pattern in patterns)


def _matrix(theta0: Checkpoint, name: str, embeddings: Iterable[str]) -> Matrix:
    module = _module(name)
    above = _module(module)
    if f"{above}{_JOINT}" in theta0.entries:  # out_proj lies inside of the attention that it adapts
        module = f"{above}.base_layer{module[len(above) :]}"
    embedding = _matches(_module(name), embeddings)
    return Matrix(name, module, embedding, embedding)


def _oriented(theta0: Checkpoint, matrices: Sequence[Matrix]) -> list[Matrix]:
    """Conv1D stores [inputs, outputs], so that its bias is as long as its rows.

    What has no bias that tells is as most of those that have.
    """
    told = {m.name: way for m in matrices if (way := _told_by_bias(theta0, m)) is not None}
    votes = Counter(told.values())
    usual = votes[True] > votes[False]
    return [
        matrix if matrix.embedding else replace(matrix, transposed=told.get(matrix.name, usual))
        for matrix in matrices
    ]


def _told_by_bias(theta0: Checkpoint, matrix: Matrix) -> bool | None:
    bias = theta0.entries.get(f"{_module(matrix.name)}.bias")
    rows, columns = theta0.entries[matrix.name].shape
    if bias is None or matrix.embedding or rows == columns or bias.size not in (rows, columns):
        return None
    return bias.size == columns


def _why_not(theta0: Checkpoint, name: str, adapted: set[str]) -> str | None:
    """Why a parameter cannot be kept whole; None where it can."""
    module = _module(name)
    if module in adapted:
        return "its module is adapted, and this is neither its weight nor its bias"
    if not module:
        return "it belongs to no module of the model, which PEFT could keep"
    start = f"{module}."
    if any(other.startswith(start) and "." in other[len(start) :] for other in theta0.entries):
        return f"its module {module!r} holds other modules"
    return None
