"""`taujp.search`: find coefficients and options of a merge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from taujp.evaluate.cost import measured
from taujp.evaluate.record import Provenance
from taujp.evaluate.result_files import save_result
from taujp.searching.journal import Journal
from taujp.searching.merge_space import told_options
from taujp.searching.objective import Objective, OfFunction
from taujp.searching.on_tasks import Measure, OnTasks
from taujp.searching.result import Search, Trial, best_of
from taujp.searching.space import Space, key_of, values_of
from taujp.searching.study import run_study, study_of, trials_of

if TYPE_CHECKING:
    from taujp.evaluate.merged import MergedModels
    from taujp.evaluate.schemes import Scheme
    from taujp.train.prepare import PreparedTask

TRIALS = 100  # of a sampler that is not told how many


def search(
    objective: Callable[[dict[str, Any]], float] | Sequence[PreparedTask],
    space: Mapping[str, Any],
    *,
    models: MergedModels | None = None,
    by: Any = "grid",
    trials: int | None = None,
    scheme: Scheme = "common",
    measure: Measure = "normalised",
    at_once: int = 16,
    maximise: bool = True,
    storage: Any = None,
    study: str = "taujp",
    seed: int | None = 0,
    out: str | Path | None = None,
    provenance: Provenance | None = None,
    device: str = "cpu",
    progress: bool = False,
) -> Search:
    """Find the coefficients, the options and the method of a merge that an objective likes best.

    `search(tasks, {"coefficient": Range(0, 1, 0.05), "density": [0.1, 0.2]},
    models=merged_models(model, checkpoints, method="ties"))` measures merges on the tasks'
    validation data; the best alone is measured on test data, at the end. Models are edited in
    place, points that differ in coefficients alone share one pass over the data.

    Args:
      objective: prepared tasks; or any function from a point {name: value} to a number.
      space: {name: values}: a list of values, or a Range. On tasks the names are "coefficient" (of
        every task vector), "method", lambda_, and the methods' options; those that a point's method
        does not have are left out of it. What is not in it is as in `models`.
      models: of `merged_models`; with tasks.
      by: "grid": every point; "tpe", "random", or a sampler of Optuna (extra `search`).
      trials: how many there are to be, those of earlier runs included (a sampler's default: 100;
        a grid's: all).
      scheme: "task", "layer": a coefficient for each; "coefficient:PATTERN" in the space stands for
        all tasks or layers that match.
      measure: "normalised" (mean of accuracy / fine-tuned accuracy), "absolute", or "worst".
      at_once: how many points of a grid take turns on the data; so many are lost by a kill.
      maximise: false where a function's small values are good.
      storage, study: Optuna's: a URL of a database, or a file on a shared disk. Machines that give
        the same share the trials, each with another `seed` (None: drawn).
      out: NAME.json for the result. Finished trials are kept beside it as they come, and a search
        with the same `out` (or study) goes on from them; a grid's may have more points then.
      provenance, device: written into the result; where its cost is measured.

    Returns a `Search`: all trials, the best, that one on test data, and the cost.
    Raises ValueError for an empty space, names or values that mean nothing, an objective that gives
    no number, and trials on disk of other models, tasks or data.
    """
    subject = _objective(
        objective, values_of(space), models, scheme=scheme, measure=measure, at_once=at_once
    )
    _check(subject, trials, maximise)
    path = _path(out)
    with measured(device) as measurement:
        if by == "grid" and storage is None:
            found = _by_grid(subject, trials, path, progress)
        else:
            place = storage if storage is not None or path is None else _beside(path, "study.log")
            opened = study_of(subject, by, storage=place, name=study, maximise=maximise, seed=seed)
            found = _by_study(opened, subject, by, trials, progress)
        best = best_of(found, maximise=maximise)
        test = subject.test(dict(best.values)) if isinstance(subject, OnTasks) else None
    result = Search(
        objective=subject.name,
        maximise=maximise,
        by=by if isinstance(by, str) else type(by).__name__,
        space=subject.space.described(),
        trials=found,
        best=best,
        test=test,
        method=models.method if models is not None else None,
        options={} if models is None else told_options(models),
        cost=measurement.cost,
    )
    if path is not None:
        save_result(result, path, provenance=provenance, cost=measurement.cost)
    return result


def _objective(
    objective: Any, values: Mapping[str, Any], models: MergedModels | None, **options: Any
) -> Objective:
    if callable(objective):
        if models is not None:
            raise ValueError(
                "search: models and a function; expected models with tasks alone; a function "
                "merges and measures by itself"
            )
        return OfFunction(objective, Space(values))
    if models is None or not isinstance(objective, Sequence) or not objective:
        raise ValueError(
            f"search: the objective is {objective!r:.60} and models is {type(models).__name__}; "
            "expected a function, or tasks with models=merged_models(model, checkpoints)"
        )
    return OnTasks(models, objective, values, **options)


def _check(subject: Objective, trials: int | None, maximise: bool) -> None:
    if trials is not None and trials < 1:
        raise ValueError(f"search: trials is {trials}; expected at least 1")
    if isinstance(subject, OnTasks) and not maximise:
        raise ValueError("search: maximise is false; expected true, since tasks have accuracies")


def _by_grid(
    subject: Objective, trials: int | None, out: Path | None, progress: bool
) -> tuple[Trial, ...]:
    """Every point, batch by batch; those that the journal has are not measured again."""
    points = subject.space.points()[:trials]
    beside = None if out is None else _beside(out, "trials.jsonl")
    with Journal(beside, {} if out is None else subject.identity) as kept:
        wanted = [point for point in points if key_of(point) not in kept.trials]
        with _bar(len(points), len(points) - len(wanted), progress) as bar:
            for batch in subject.batches(wanted):
                kept.add(subject.measure(batch))
                bar.update(len(batch))
        return tuple(kept.trials[key_of(point)] for point in points)


def _by_study(
    study: Any, subject: Objective, by: Any, trials: int | None, progress: bool
) -> tuple[Trial, ...]:
    """Trials until the study has as many as are wanted, whoever makes them."""
    points = subject.space.points() if by == "grid" else None
    total = trials or (TRIALS if points is None else len(points))
    with _bar(total, len(trials_of(study)), progress) as bar:
        return tuple(run_study(study, subject, points, total, lambda _: bar.update()))


def _beside(out: Path, ending: str) -> Path:
    return out.with_name(f"{out.stem}.{ending}")


def _bar(total: int, done: int, progress: bool) -> tqdm[Any]:
    return tqdm(
        total=total, initial=done, desc="search", disable=None if progress else True, leave=False
    )


def _path(out: str | Path | None) -> Path | None:
    if out is not None and Path(out).suffix != ".json":
        raise ValueError(f"search: out is {str(out)!r}; expected a name that ends in .json")
    return None if out is None else Path(out)
