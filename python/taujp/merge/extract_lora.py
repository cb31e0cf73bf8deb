"""`extract_lora`: what fine-tuning changed, as an adapter of low rank that PEFT loads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taujp.checkpoint import open_checkpoint
from taujp.checkpoint.dtypes import FLOATING, from_torch_name

from .adapter_output import WEIGHTS, write_adapter
from .errors import MergeError
from .extract_lora_matrix import Extracted, Wanted
from .extract_lora_pair import TunedPair
from .extraction import EMBEDDINGS, kept_whole, sort_out
from .output_layout import target_of
from .partial_output import check_target
from .recipe import one_number, one_of, seed_of

METHODS: dict[str | None, str] = {"randomised": "randomised", "exact": "exact"}


@dataclass(frozen=True)
class Extraction:
    """What `extract_lora` wrote: the matrices, what is kept whole, and what is lost, with reasons.

    error: |tau - tau of the adapter| / |tau| over the whole model. bytes: of the adapter's tensors.
    """

    folder: str
    matrices: tuple[Extracted, ...]
    whole: tuple[str, ...]
    left_out: Mapping[str, str]
    error: float
    bytes: int


def extract_lora(
    base: Any,
    finetuned: Any,
    out: str | os.PathLike[str],
    *,
    rank: int | None = None,
    energy: float | None = None,
    method: str = "randomised",
    modules: Iterable[str] = ("*",),
    embeddings: Iterable[str] = EMBEDDINGS,
    whole: bool = True,
    dtype: Any = "float32",
    seed: int = 0,
    rename: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Extraction:
    """Turn a fully fine-tuned model into a small adapter of its base.

    Of each changed matrix tau = theta - theta0 = U S V the strongest directions become
    B = U sqrt(S) [outputs, rank] and A = sqrt(S) V [rank, inputs], with scale 1: the best
    approximation of that rank (Eckart & Young). Biases of adapted modules, and small modules such
    as norms, are kept as they are. One matrix is in memory at a time.

    Args:
      base, finetuned: anything that `open_checkpoint` takes.
      out: a folder: adapter_config.json and adapter_model.safetensors, for PEFT and transformers.
      rank: of every matrix; with `energy` the most. A matrix whose factors would be no smaller
        than itself counts as small.
      energy: the share of |tau|^2 of each matrix that its factors keep at least, in (0, 1].
      method: "randomised" (sketches with three power iterations; on measured spectra the error is
        within 1 % of the best, several times faster for small ranks) or "exact".
      modules: glob patterns of the modules that get factors.
      embeddings: glob patterns of those that are nn.Embedding, for which PEFT has other names.
      whole: keep all else that changed whole, where PEFT can; otherwise it is left out.
      dtype: of the factors.
      rename: as in `merge_many`.

    Returns: an Extraction, with the relative error of every matrix and what was left out and why.
    Raises: CheckpointError where the two are not of one model; MergeError for senseless arguments,
      no changes, NaN or Inf.
    Source: Hu et al. 2021, arXiv 2106.09685, for the form; Halko et al. 2011, arXiv 0909.4061.
    """
    wanted = _wanted(rank, energy, method, dtype, seed)
    pair = TunedPair(
        open_checkpoint(base, label="base", rename=rename),
        open_checkpoint(finetuned, label="fine-tuned", rename=rename),
    )
    target = _target(out, pair, overwrite=overwrite)
    norms = pair.norms()
    found = sort_out(pair.theta0, list(norms), rank, modules, list(embeddings), whole=whole)
    made = [wanted.factors(matrix, pair.tau(matrix.name)) for matrix in found.matrices]
    factors, matrices = [one for one, _ in made], [told for _, told in made]
    biases = {_peft_name(name): pair.tuned(name) for name in found.biases}
    kept = {name: pair.tuned(name) for name in kept_whole(pair.theta0, found.whole)}
    write_adapter(target, factors, biases, kept, str(base) if _is_path(base) else None)
    lost = sum((m.error * norms[m.name]) ** 2 for m in matrices)
    lost += sum(norms[name] ** 2 for name in found.left_out)
    return Extraction(
        folder=str(target),
        matrices=tuple(matrices),
        whole=(*found.biases, *found.whole),
        left_out=found.left_out,
        error=(lost / sum(norm**2 for norm in norms.values())) ** 0.5,
        bytes=sum(f.a.nbytes + f.b.nbytes for f in factors)
        + sum(t.nbytes for t in (*biases.values(), *kept.values())),
    )


def _wanted(rank: int | None, energy: float | None, method: str, dtype: Any, seed: int) -> Wanted:
    if rank is None and energy is None:
        raise MergeError("extract_lora: give rank=, energy=, or both")
    if rank is not None and (isinstance(rank, bool) or not isinstance(rank, int) or rank < 1):
        raise MergeError(f"extract_lora: rank is {rank!r}; expected a whole number of at least 1")
    if energy is not None and one_number("energy", energy, 0.0, 1.0) == 0:
        raise MergeError("extract_lora: energy is 0; expected a share in (0, 1]")
    return Wanted(
        rank=1 << 30 if rank is None else rank,
        energy=None if energy is None else float(energy),
        method=one_of("method", method, METHODS),
        dtype=_dtype(dtype),
        seed=seed_of(seed),
    )


def _target(out: str | os.PathLike[str], pair: TunedPair, *, overwrite: bool) -> Path:
    """Where the adapter goes, once nothing speaks against it."""
    target = target_of(out)
    if target.suffix == ".safetensors":
        raise MergeError(
            f"extract_lora: out is {str(out)!r}; expected the name of a folder, as PEFT's are"
        )
    inputs = [file.path for c in (pair.theta0, pair.theta) for file in c.files]
    written = ("adapter_config.json", WEIGHTS)
    check_target(target, overwrite=overwrite, writes=written, inputs=inputs)
    return target


def _dtype(dtype: Any) -> str:
    name = str(dtype) if str(dtype) in FLOATING else from_torch_name(str(dtype))
    if name not in FLOATING:
        raise MergeError(f"extract_lora: dtype is {dtype!r}; expected float32, float16 or bfloat16")
    return str(name)


def _peft_name(bias: str) -> str:
    """Where PEFT has the bias of an adapted module: in the layer that it wraps."""
    module, _, leaf = bias.rpartition(".")
    return f"{module}.base_layer.{leaf}"


def _is_path(source: Any) -> bool:
    return isinstance(source, str | os.PathLike)
