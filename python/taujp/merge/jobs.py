"""A plan in the engine's words: works to merge, works with weights of their own, bytes to copy."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import taujp_ext

from .coefficients import Row
from .file_plan import FilePlan, Work
from .file_sources import Place
from .prepare import Merge
from .recipe import Recipe

Table = Sequence[Row]  # [K][N]
Copy = tuple[int, Place, list[Place]]  # bytes, where from, where to


def merging_job(plan: FilePlan, content: Path, merge: Merge, numbers: Collection[int]) -> Any:
    """The engine's plan for these works of one merge, written below `content`."""
    job = _job(plan, content, _recipe(merge))
    job.has_base = merge.base is not None
    job.coefs = [_flat(table) for table in merge.coefficients.tables]
    job.items = [_item(plan.works[n], plan.works[n].group) for n in numbers]
    return job


def weighted_job(plan: FilePlan, content: Path, merge: Merge, tables: Mapping[int, Table]) -> Any:
    """The same for works with a table of coefficients each."""
    job = _job(plan, content, _recipe(merge))
    job.has_base = merge.base is not None
    job.coefs = [_flat(table) for table in tables.values()]
    job.items = [_item(plan.works[n], number) for number, n in enumerate(tables)]
    return job


def products_job(plan: FilePlan, merge: Merge, numbers: Collection[int]) -> Any:
    """The engine's plan for the dot products of these works' vectors; it writes nothing."""
    job = _job(plan, Path(), _words(Recipe(), len(merge.checkpoints), (), deltas=merge.deltas))
    job.outputs = []
    job.products = True
    job.has_base = merge.base is not None and not merge.deltas  # task vectors need no theta0
    bases = int(merge.base is not None and merge.deltas)
    job.coefs = [[]]
    works = [plan.works[n] for n in numbers]
    job.items = [
        _item(w._replace(sources=w.sources[bases:], targets=(), keys=()), 0) for w in works
    ]
    return job


def copying_job(plan: FilePlan, content: Path, copies: Iterable[Copy]) -> Any:
    """For bytes that go as they are to each of their places."""
    job = _job(plan, content, _words(Recipe(), 0, (1.0,)))
    job.items = [
        taujp_ext.stream().Item(
            copy=True, size=size, coefs=0, sources=[source], targets=targets, keys=[]
        )
        for size, source, targets in copies
    ]
    return job


def _job(plan: FilePlan, content: Path, recipe: Any) -> Any:
    stream = taujp_ext.stream()
    job = stream.Plan()
    job.recipe = recipe
    job.inputs = [stream.InputFile(f.path, f.size, f.mtime_ns) for f in plan.inputs]
    job.outputs = [str(content / output.path) for output in plan.outputs]
    job.threads = plan.threads
    return job


def _flat(table: Table) -> list[float]:
    return [c for row in table for c in row]


def _item(work: Work, coefs: int) -> Any:
    return taujp_ext.stream().Item(
        copy=work.copy,
        size=work.size,
        before=work.before,
        row=work.row,
        coefs=coefs,
        sources=work.sources,
        targets=work.targets,
        keys=work.keys,
    )


def _recipe(merge: Merge) -> Any:
    exact = merge.rounding == "exact" or not merge.names
    return _words(
        merge.recipe,
        len(merge.checkpoints),
        merge.lambdas,
        rounding="exact" if exact else merge.dtype_of(merge.names[0]),
        deltas=merge.deltas,
    )


def _words(
    recipe: Recipe,
    checkpoints: int,
    lambdas: Row,
    *,
    rounding: str = "exact",
    deltas: bool = False,
) -> Any:
    return taujp_ext.stream().Recipe(
        fold=recipe.fold,
        sparsifier=recipe.sparsifier,
        rescale=recipe.rescale,
        rounding=rounding,
        normalize=recipe.normalize,
        keep_one=recipe.keep_one,
        deltas=deltas,
        over_model=recipe.over_model,
        density=recipe.shares(checkpoints),
        skip=recipe.skip,
        spread=recipe.spread,
        dials=recipe.dials,
        weighting=recipe.weighting,
        lambdas=lambdas,
    )
