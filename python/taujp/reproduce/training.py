"""One fine-tuning run of a reproduction: made once, gone on with where it was killed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from taujp.data import find_task
from taujp.reproduce.candidates import Candidate
from taujp.reproduce.world import World
from taujp.train import Recipe, finetune, make_fabric, read_settings
from taujp.train.penalties import Kronecker, TauJp

FACTOR_IMAGES = 256


def train(world: World, candidate: Candidate, task: str) -> Path:
    """The checkpoint of `task`; nothing is done where it is there with these very settings.

    ValueError where a file made with other settings is in its place.
    """
    path = candidate.checkpoint(world.place.out, task)
    settings = settings_of(world, candidate, task)
    if path.exists():
        check_settings(path, settings)
        return path
    prepared = world.task(task)
    assert prepared.head is not None  # tasks of classes have one
    finetune(
        world.model,
        prepared.head,
        prepared.splits.train,
        Recipe(**settings["recipe"]),
        mode=candidate.way.mode,  # type: ignore[arg-type]
        penalties=_penalties(world, candidate, task),
        out=path,
        configuration={"task": task, "reproduction": settings},
        workers=world.place.workers,
        progress=False,
        fabric=make_fabric(world.place.device),
    )
    return path


def settings_of(world: World, candidate: Candidate, task: str) -> dict[str, Any]:
    """Everything that the checkpoint of a candidate depends on, as JSON."""
    setup = world.setup
    recipe: dict[str, Any] = {
        **setup.recipe,
        "learning_rate": candidate.learning_rate,
        "seed": candidate.seed,
    }
    if setup.by_epochs:
        recipe["steps"] = _scheduled_steps(world, task)
    settings = {"model": setup.model, "way": candidate.way.label, "recipe": recipe}
    if candidate.way.penalty is None:
        return settings
    penalty: dict[str, Any] = {"weight": candidate.weight, "others": list(others(world, task))}
    if candidate.way.penalty == "tau_jp":
        penalty["rows"] = setup.control_rows
    return {**settings, "penalty": penalty}


def others(world: World, task: str) -> tuple[str, ...]:
    """The tasks whose features a penalty keeps; the control of negation is not one of them."""
    return tuple(name for name in world.setup.tasks if name != task)


def check_settings(path: Path, settings: dict[str, Any]) -> None:
    """ValueError where the file at `path` was trained with other settings; imported ones pass."""
    configuration = read_settings(path).get("configuration", {})
    made = configuration.get("reproduction")
    if made != settings and "imported" not in configuration:
        raise ValueError(
            f"reproduce: '{path}' was made with the settings {made}; expected {settings}; move the "
            "file away, or choose another --out"
        )


def _scheduled_steps(world: World, task: str) -> int:
    """A task's published epochs in steps: about 2,000 for each of the eight."""
    epochs = find_task(task).epochs
    recipe = Recipe(**world.setup.recipe)
    if epochs is None:
        return recipe.steps
    images = len(world.task(task).splits.train)  # type: ignore[arg-type]
    return max(1, round(epochs * images / recipe.batch_size))


def _penalties(world: World, candidate: Candidate, task: str) -> list[Any]:
    if candidate.way.penalty is None:
        return []
    weight = candidate.weight
    assert weight is not None
    if candidate.way.penalty == "kronecker":
        from taujp.tangent.kronecker import sum_factors

        factors = [_factors(world, other, candidate.seed) for other in others(world, task)]
        return [Kronecker(sum_factors(factors), weight=weight)]
    images = {other: world.task(other).splits.train for other in others(world, task)}
    rows = world.setup.control_rows
    return [TauJp(images, weight=weight, batch_size=rows, seed=candidate.seed)]


def _factors(world: World, task: str, seed: int) -> Any:
    """The Kronecker factors of a task, gathered once a seed and kept on disk."""
    from taujp.tangent.kronecker import gather_factors, load_factors

    path = world.place.out / "factors" / f"seed-{seed}" / f"{task}.safetensors"
    if not path.exists():
        train_images = world.task(task).splits.train
        gathered = gather_factors(world.model, None, train_images, images=FACTOR_IMAGES, seed=seed)
        gathered.save(path)
    return load_factors(path)
