"""A plan as text: the steps, and about how long and how large they are."""

from __future__ import annotations

from taujp.data import find_task
from taujp.report.text_table import text_table
from taujp.reproduce.plan import PlannedStep, planned_steps
from taujp.reproduce.run import Asked
from taujp.reproduce.speed import Speed, measure_speed
from taujp.reproduce.world import Place
from taujp.train import Recipe

FORWARDS = 3  # a training step is about three forward passes: one forward, one backward of two


def dry_run(asked: Asked, place: Place, jobs: int) -> str:
    """Every step with what is there already; training times from a few steps measured here."""
    steps = planned_steps(asked, place.out)
    speed = measure_speed(asked.setup, asked.ways, place.device)
    rows = [_row(asked, step, place, speed) for step in steps]
    table = text_table(["step", "files", "there", "about", "output"], rows)
    return f"{table}\n\n{_total(asked, steps, place, speed, jobs)}"


def _row(asked: Asked, step: PlannedStep, place: Place, speed: Speed) -> list[str]:
    output = str(step.out.relative_to(place.out))
    seconds = _training_seconds(asked, step, speed)
    about = "" if step.way is None else duration(seconds)
    return [step.what, str(step.files), str(step.there), about, output]


def _training_seconds(asked: Asked, step: PlannedStep, speed: Speed) -> float:
    """Of the models of a step that are missing; the recipe's steps, about 2,000 by epochs."""
    if step.way is None:
        return 0.0
    return step.missing * Recipe(**asked.setup.recipe).steps * speed.seconds[step.way.label]


def _total(asked: Asked, steps: list[PlannedStep], place: Place, speed: Speed, jobs: int) -> str:
    training = sum(_training_seconds(asked, step, speed) for step in steps)
    models = sum(step.missing for step in steps if step.way is not None)
    size = models * speed.checkpoint_bytes
    passes = _evaluation_seconds(asked, steps, place, speed)
    return (
        f"{models} models to train: about {duration(training / jobs)} with {jobs} at a time "
        "(measured: a few steps of every way on random images, on this machine as it is now; "
        "loading images is not in it).\n"
        f"Evaluation: about {duration(passes / jobs)} (an estimate from these steps and the number "
        "of images).\n"
        f"Disk: {size / 1e9:.2f} GB of checkpoints under '{place.out}', and three times one "
        f"checkpoint ({speed.checkpoint_bytes / 1e6:.0f} MB) for the state of each run under way."
    )


def _evaluation_seconds(
    asked: Asked, steps: list[PlannedStep], place: Place, speed: Speed
) -> float:
    """Forward passes: 21 coefficients and a few more of ordinary models on every image, the tasks'
    tangents at once of linearised ones."""
    setup, batch = asked.setup, Recipe(**asked.setup.recipe).batch_size
    images = sum(_evaluated_images(name, place) for name in setup.tasks)
    seconds = 0.0
    for step in steps:
        for way in asked.ways:
            if step.missing and step.what.endswith(f"{way.label}: evaluate {asked.protocol}"):
                forwards = 24 if way.mode == "standard" else FORWARDS * (1 + len(setup.tasks))
                per_image = speed.seconds[way.label] / batch / FORWARDS
                seconds += forwards * images * per_image
    return seconds


def _evaluated_images(name: str, place: Place) -> int:
    """Of validation and test."""
    task = find_task(name)
    if task.counts is not None:
        return task.counts[1] + task.counts[2]
    splits = task.images(place.root)
    return len(splits.validation) + len(splits.test)


def duration(seconds: float) -> str:
    """ "40 s", "12 min", "3.5 h"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
