"""`merge_many`: the one function that merges."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .errors import MergeError
from .file_options import split_file_options
from .prepare import prepare


def merge_many(
    ckpts: Iterable[Any],
    coefs: Any,
    base: Any = None,
    *,
    method: str | None = None,
    out: Any = None,
    dtype: Any = None,
    **options: Any,
) -> Any:
    """Merge N checkpoints into one model, or into K models, reading every checkpoint once.

    Equations: theta = sum_i c_i theta_i, or with a base theta0 + lambda * sum_i c_i tau_i,
    tau_i = theta_i - theta0, and what `method` makes of it (`taujp methods` lists them).

    Args:
      ckpts: N checkpoints: safetensors files, sharded folders, torch files (read as data, no code
        in them is run), state dicts or modules, in any mixture.
      coefs: [N] numbers for one model, [K, N] for K; or a mapping from glob patterns of parameter
        names to either (the first match counts).
      base: theta0, like one of `ckpts`. With it `method` defaults to "task_arithmetic", without
        to "linear".
      out: where to write. A path ending in .safetensors makes a file, any other a folder shaped
        like the donor's; K models go to out/000, out/001, ... The merge runs from file to file
        in bounded memory. A state dict (or a list of K) of an earlier merge: its memory is used
        again, which spares the system's work for new memory. None: new state dicts.
      dtype: of the merged parameters; default: as the base (or the first checkpoint) has them.
      **options: the method's own, and
        lambda_: one factor for the merged task vector, or K of them (default 1);
        rounding: "exact" (fp32, one rounding at the end; default) or "stepwise" (to the output's
          dtype after every step, as a chain of tensor operations);
        rename: {regular expression: replacement} for the names of all checkpoints;
        prefix: merge only the parameters whose names begin so, copy the rest from the donor;
        missing: "error" (default) lists what any checkpoint lacks; "ignore" copies the donor's;
        nonfinite: "error" (default) says where an input holds NaN or Inf; "allow" merges it;
        deltas: true where `ckpts` are task vectors (TaskVector.save), not models;
        metadata: strings to write into the files' headers;
        with `out`: overwrite, progress, threads, donor, sha256, shard_size (bytes), ranks (of a
          torchrun job), device (of formulas in torch).

    Returns: a state dict {name: tensor} of the donor's names, order and shapes, or a list of K;
      with `out` the path, or a list of K.

    Raises: CheckpointError (a checkpoint is broken, or they disagree: all disagreements at once),
      MergeError (coefficients or options make no sense).

    The same bits for any number of threads, any SIMD level, and any device; methods that work on
    whole tensors in torch (`taujp methods` says so) promise the same but for fp32's rounding.
    Plain torch: `{k: v + sum(c * (t[k] - v) for c, t in zip(coefs, ckpts)) for k, v in base...}`
    """
    file_options, options = split_file_options(options)
    if out is not None and not isinstance(out, Mapping | list):
        from .to_files import merge_to_files

        merge = prepare(ckpts, coefs, base, method=method, dtype=dtype, **options)
        paths = merge_to_files(merge, out, **file_options)
        return paths[0] if merge.coefficients.single else paths
    from .in_memory import merge_in_memory

    if file_options:
        raise MergeError(
            f"merge_many: {', '.join(file_options)} say how files are written; give a path as "
            f"out=, or leave them out"
        )
    merge = prepare(ckpts, coefs, base, method=method, dtype=dtype, **options)
    states = merge_in_memory(merge, [dict(out)] if isinstance(out, Mapping) else out)
    return states[0] if merge.coefficients.single else states
