"""Which changed parameters an adapter takes as factors, which whole, and which not at all."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
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
    """A weight to be written as factors; `transposed` where its rows are inputs."""

    name: str
    embedding: bool
    transposed: bool

    @property
    def module(self) -> str:
        """What PEFT adapts."""
        return _module(self.name)


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
    the module holds no other (a norm, a head), as PEFT's modules_to_save.
    """
    chosen = [
        _matrix(name, embeddings)
        for name in changed
        if _is_matrix(theta0, name, rank) and _matches(_module(name), modules)
    ]
    if not chosen:
        raise MergeError(
            f"extract_lora: none of the {len(changed)} changed parameters is a matrix larger than "
            f"its factors in a module that matches {list(modules)}; lower rank, or choose others"
        )
    matrices = _oriented(theta0, chosen)
    adapted = {matrix.name for matrix in matrices}
    inside = {matrix.module for matrix in matrices}
    biases = [
        n for n in changed if n.endswith("bias") and n not in adapted and _module(n) in inside
    ]
    rest = [name for name in changed if name not in adapted | set(biases)]
    every = _modules(theta0)
    reasons = {
        name: _why_not(theta0, name, inside, every) if whole else "it was not asked for"
        for name in rest
    }
    left_out = {name: reason for name, reason in reasons.items() if reason}
    kept = tuple(name for name in rest if name not in left_out)
    return Sorted(tuple(matrices), kept, tuple(biases), left_out)


def kept_whole(theta0: Checkpoint, names: Iterable[str]) -> list[str]:
    """All tensors of the modules that PEFT keeps for the sake of these parameters."""
    every = _modules(theta0)
    modules = {module for name in names for module in _alike(_module(name), every)}
    return [name for name in theta0.entries if _module(name) in modules]


def _modules(theta0: Checkpoint) -> set[str]:
    """Every module above some parameter."""
    paths = (name.split(".") for name in theta0.entries)
    return {".".join(path[:depth]) for path in paths for depth in range(1, len(path))}


def _alike(module: str, every: Iterable[str]) -> list[str]:
    """The modules whose names end as this one's: PEFT cannot keep one and not the other."""
    return [other for other in every if other.endswith(module)]


def _module(name: str) -> str:
    return name.rpartition(".")[0]


def _is_matrix(theta0: Checkpoint, name: str, rank: int | None) -> bool:
    shape = theta0.entries[name].shape
    if len(shape) != 2 or not name.endswith((".weight", _JOINT)) or _inside_attention(theta0, name):
        return False
    return rank is None or rank * sum(shape) < shape[0] * shape[1]


def _inside_attention(theta0: Checkpoint, name: str) -> bool:
    """Whether it is the output projection of torch's MultiheadAttention."""
    return f"{_module(_module(name))}{_JOINT}" in theta0.entries


def _matches(module: str, patterns: Iterable[str]) -> bool:
    return any(fnmatch.fnmatchcase(module, pattern) for pattern in patterns)


def _matrix(name: str, embeddings: Iterable[str]) -> Matrix:
    embedding = _matches(_module(name), embeddings)
    return Matrix(name, embedding, embedding)


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
    bias = theta0.entries.get(f"{matrix.module}.bias")
    rows, columns = theta0.entries[matrix.name].shape
    if bias is None or matrix.embedding or rows == columns or bias.size not in (rows, columns):
        return None
    return bias.size == columns


def _why_not(
    theta0: Checkpoint, name: str, adapted: Collection[str], every: Collection[str]
) -> str | None:
    """Why a parameter cannot be kept whole; None where it can."""
    module = _module(name)
    if module in adapted:
        return "its module is adapted, and this is neither its weight nor its bias"
    if _inside_attention(theta0, name):
        return "PEFT adds what it adapts inside of torch's MultiheadAttention twice"
    if not module:
        return "it belongs to no module of the model, which PEFT could keep"
    for other in _alike(module, every):
        if other in adapted:
            return f"PEFT cannot keep {module!r} and adapt {other!r}, which ends alike"
        if any(below.startswith(f"{other}.") for below in every):
            return f"the module {other!r} holds other modules"
    return None
