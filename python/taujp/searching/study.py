"""A search by Optuna: its samplers choose the points, its storage holds what is shared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from taujp.evaluate.schema import checked, plain
from taujp.searching.objective import Objective
from taujp.searching.result import Trial
from taujp.searching.space import Point

IDENTITY, TRIAL, POINT = "taujp.identity", "taujp.trial", "point"


def study_of(
    objective: Objective, by: Any, *, storage: Any, name: str, maximise: bool, seed: int | None
) -> Any:
    """The study of that name, made or joined.

    storage: a URL of a database that many machines reach, a file on a disk that they share
    (Optuna's journal), an Optuna storage, or None: in this process. ValueError for a study of
    other models, tasks or data.
    """
    optuna = _optuna()
    with _quiet(optuna), _usable(storage):
        study = optuna.create_study(
            storage=_storage(optuna, storage),
            study_name=name,
            direction="maximize" if maximise else "minimize",
            load_if_exists=True,
        )
    study.sampler = _sampler(optuna, objective, by, seed, len(study.trials))
    identity = json.loads(json.dumps(_identity(objective, by)))
    known = study.user_attrs.get(IDENTITY)
    if known is None:
        study.set_user_attr(IDENTITY, identity)
    elif known != identity:
        differing = sorted(n for n in {*known, *identity} if known.get(n) != identity.get(n))
        raise ValueError(
            f"search: the study {name!r} is another search's: they differ in "
            f"{', '.join(differing)}; choose another study=, or another storage="
        )
    return study


@contextmanager
def _usable(storage: Any) -> Iterator[None]:
    """A database has errors of its own for each driver: whatever they are, one sentence."""
    try:
        yield
    except Exception as error:
        said = error.strerror if isinstance(error, OSError) else str(error)
        reason = (said or type(error).__name__).splitlines()[0]
        raise ValueError(
            f"search: the storage {storage!r} cannot be used ({reason}); expected a database's URL "
            f"such as sqlite:///study.db, or a file in a folder that exists"
        ) from error


def run_study(
    study: Any,
    objective: Objective,
    points: Sequence[Point] | None,
    count: int,
    tell: Callable[[Trial], None],
) -> list[Trial]:
    """Goes on until the study has `count` finished trials, whoever makes them; gives all of them.

    points: of a grid, each of which is tried once; None: the sampler draws from the space.
    """

    def measured(trial: Any) -> float:
        if points is None:
            point = objective.space.suggested(trial)
        else:
            point = points[trial.suggest_int(POINT, 0, len(points) - 1)]
        (found,) = objective.measure([point])
        trial.set_user_attr(TRIAL, plain(found))
        tell(found)
        return found.value

    with _quiet(_optuna()):
        while _finished(study, points is not None) < count:
            study.optimize(measured, n_trials=1)
    return trials_of(study)


def trials_of(study: Any) -> list[Trial]:
    """The finished trials; those that were killed or failed are passed over."""
    return [
        checked(one.user_attrs[TRIAL], Trial, f"search: study {study.study_name!r}")
        for one in _complete(study)
    ]


def _finished(study: Any, grid: bool) -> int:
    """How many trials are done; of a grid, how many points, since two machines may try the last."""
    done = _complete(study)
    return len({one.params[POINT] for one in done}) if grid else len(done)


def _identity(objective: Objective, by: Any) -> Mapping[str, Any]:
    """A grid's points are told apart by their numbers, which another space would give to others."""
    return {
        **objective.identity,
        **({"space": objective.space.described()} if by == "grid" else {}),
    }


def _complete(study: Any) -> list[Any]:
    states = (_optuna().trial.TrialState.COMPLETE,)
    return [
        one for one in study.get_trials(deepcopy=False, states=states) if TRIAL in one.user_attrs
    ]


def _sampler(optuna: Any, objective: Objective, by: Any, seed: int | None, trials: int) -> Any:
    """A sampler by name. With the trials that there are in its seed: a search that goes on must
    not draw its first points once more."""
    number = None if seed is None else seed + trials
    if by == "grid":
        numbers = list(range(len(objective.space.points())))
        # It shuffles the points by its seed, and shares them by their places: one seed for all.
        return optuna.samplers.GridSampler({POINT: numbers}, seed=0)
    if by == "tpe":
        return optuna.samplers.TPESampler(seed=number)
    if by == "random":
        return optuna.samplers.RandomSampler(seed=number)
    if isinstance(by, optuna.samplers.BaseSampler):
        return by
    raise ValueError(
        f"search: by is {by!r}; expected 'grid', 'tpe', 'random' or a sampler of Optuna"
    )


def _storage(optuna: Any, storage: Any) -> Any:
    if not isinstance(storage, str | Path) or "://" in str(storage):
        return storage
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    Path(storage).parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(str(storage)))


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ImportError(
            f"search: Optuna cannot be imported ({error}); samplers and shared studies need it, a "
            'grid without storage does not; run `pip install "taujp[search]"`'
        ) from error
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Optuna's lines about every trial are not ours to print."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
