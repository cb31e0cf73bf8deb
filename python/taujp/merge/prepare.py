"""Everything that is decided and checked before the first number is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from taujp.checkpoint import Checkpoint, check_agreement, check_integer_buffers, open_checkpoint
from taujp.checkpoint.dtypes import FLOATING, from_torch_name

from .adapters import as_task_vectors, open_input
from .coefficients import Coefficients, parse_coefficients, parse_lambda
from .errors import MergeError
from .formula import Formula
from .meaning import check_meaning, check_stepwise
from .method import find_method
from .per_task import for_each_task
from .recipe import Recipe

ROUNDINGS = ("exact", "stepwise")


@dataclass(frozen=True)
class Merge:
    """A merge that can begin: K = coefficients.results models from N checkpoints.

    `names` are merged, in that order; every other tensor of the donor is copied. A whole-tensor
    method has a formula; its recipe is then the sum that the kernels make of a Blend. per_task:
    result k is the model of checkpoint k.
    """

    method: str
    recipe: Recipe
    formula: Formula | None
    coefficients: Coefficients
    lambdas: tuple[float, ...]
    base: Checkpoint | None
    checkpoints: tuple[Checkpoint, ...]
    names: tuple[str, ...]
    dtype: str | None
    rounding: str
    allow_nonfinite: bool
    deltas: bool
    metadata: Mapping[str, str]
    options: Mapping[str, Any]
    per_task: bool = False

    @property
    def donor(self) -> Checkpoint:
        """Gives names, order, dtypes, and everything that is not merged."""
        return self.base or self.checkpoints[0]

    def dtype_of(self, name: str) -> str:
        """The dtype that a merged parameter is written in."""
        return self.dtype or self.donor.entries[name].dtype

    @property
    def groups(self) -> list[int]:
        """The coefficient group of each of `names`."""
        return self.coefficients.groups(self.names)


def prepare(
    ckpts: Iterable[Any],
    coefs: Any,
    base: Any = None,
    *,
    method: str | None = None,
    dtype: Any = None,
    lambda_: Any = 1.0,
    rounding: str = "exact",
    rename: Mapping[str, str] | None = None,
    prefix: str | None = None,
    missing: str = "error",
    nonfinite: str = "error",
    deltas: bool = False,
    metadata: Mapping[str, str] | None = None,
    **options: Any,
) -> Merge:
    """Open and check the checkpoints, their agreement, the coefficients and the options."""
    unnamed = None if base is None else open_checkpoint(base, label=_label("base", base))
    theta0 = unnamed and open_checkpoint(unnamed, rename=rename)
    checkpoints = _opened(ckpts, unnamed, rename)
    chosen = find_method(method, has_base=theta0 is not None)
    built = chosen.built(len(checkpoints), options)
    coefficients, lambdas = parse_lambda(lambda_, parse_coefficients(coefs, len(checkpoints)))
    if chosen.per_task:
        coefficients, lambdas = for_each_task(chosen.name, coefficients, lambdas, len(checkpoints))
    check_meaning(chosen, coefficients, lambdas, has_base=theta0 is not None)
    names = _agreed_names(theta0, checkpoints, prefix, missing)
    exact = rounding == "exact"
    vectors = as_task_vectors(theta0, checkpoints, deltas=deltas) if theta0 and exact else None
    if vectors:
        checkpoints, deltas = vectors, True
    told = built.told if isinstance(built, Formula) else {}
    merge = Merge(
        method=chosen.name,
        recipe=built if isinstance(built, Recipe) else Recipe(),
        formula=built if isinstance(built, Formula) else None,
        coefficients=coefficients,
        lambdas=lambdas,
        base=theta0,
        checkpoints=checkpoints,
        names=names,
        dtype=_dtype_name(dtype),
        rounding=_known("rounding", rounding, ROUNDINGS),
        allow_nonfinite=_known("nonfinite", nonfinite, ("error", "allow")) == "allow",
        deltas=deltas,
        metadata=dict(metadata or {}),
        options={**options, **told, "lambda_": list(lambdas), "rounding": rounding},
        per_task=chosen.per_task,
    )
    check_stepwise(merge)
    merge.groups  # noqa: B018  (raises where a pattern is missing)
    return merge


def _opened(
    ckpts: Iterable[Any], base: Checkpoint | None, rename: Mapping[str, str] | None
) -> tuple[Checkpoint, ...]:
    if isinstance(ckpts, str | Mapping) or not isinstance(ckpts, Iterable):
        raise MergeError(
            f"ckpts is one {type(ckpts).__name__}; expected a list of checkpoints: [{ckpts!r:.60}]"
        )
    opened = tuple(
        open_input(source, base, _label(f"checkpoint {i}", source), rename)
        for i, source in enumerate(ckpts)
    )
    if not opened:
        raise MergeError("ckpts is empty; expected at least one checkpoint")
    return opened


def _label(position: str, source: Any) -> str | None:
    """What errors call it: by its position, and its path; a Checkpoint has a label of its own."""
    if isinstance(source, Checkpoint):
        return source.label
    return (
        f"{position} ({str(source)!r})"
        if isinstance(source, str) or hasattr(source, "__fspath__")
        else position
    )


def _agreed_names(
    base: Checkpoint | None, checkpoints: tuple[Checkpoint, ...], prefix: str | None, missing: str
) -> tuple[str, ...]:
    donor = base or checkpoints[0]
    wanted = None
    if prefix is not None:
        wanted = [name for name in donor.entries if name.startswith(prefix)]
        if not wanted:
            known = ", ".join(sorted({name.split(".")[0] for name in donor.entries})[:10])
            raise MergeError(
                f"prefix {prefix!r} is the beginning of no name of {donor.label}; they begin with "
                f"{known}"
            )
    agreement = check_agreement(
        base, checkpoints, names=wanted, missing=_known("missing", missing, ("error", "ignore"))
    )
    check_integer_buffers(donor, checkpoints, agreement.integers)
    return agreement.names


def _dtype_name(dtype: Any) -> str | None:
    if dtype is None:
        return None
    text = str(dtype)
    name = text if text in FLOATING else from_torch_name(text)
    if name not in FLOATING:
        raise MergeError(f"dtype is {dtype!r}; expected float32, float16 or bfloat16")
    return name


def _known(option: str, value: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise MergeError(f"{option} is {value!r}; expected one of {', '.join(map(repr, choices))}")
    return value
