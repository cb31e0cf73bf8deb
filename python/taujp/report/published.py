"""The published tables of task addition and negation, to stand beside what was measured.

Source: Yoshida et al. 2025, "Mastering Task Arithmetic: tauJp as a key indicator for weight
disentanglement" (ICLR), its tables of task addition and of task negation: OpenAI's CLIP, eight
tasks, ImageNet as control. A figure counts for the same model, tasks and control only.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

SOURCE = (
    "Yoshida et al. 2025, Mastering Task Arithmetic: tauJp as a key indicator for weight "
    "disentanglement (ICLR)"
)
TASKS = ("cars", "dtd", "eurosat", "gtsrb", "mnist", "resisc45", "sun397", "svhn")
CONTROL = "imagenet"
MODELS = ("ViT-B-32", "ViT-B-16", "ViT-L-14")
WAYS = ("pre-trained", "non-linear", "linear", "linear + tauJp")
CHOICES = ("one-shot", "tuned")  # coefficient 1, or chosen on validation data


@dataclass(frozen=True)
class PublishedAddition:
    """Means over the eight tasks of one merged model on test data, in [0, 1]. `normalised`: of
    accuracy / fine-tuned accuracy; None for the pre-trained model."""

    absolute: float
    normalised: float | None


@dataclass(frozen=True)
class PublishedNegation:
    """Means over the eight negated models on test data, in [0, 1]: the accuracy on the task to
    forget and on the control."""

    target: float
    control: float


# By way and choice: a pair of percentages for each of MODELS, as printed.
_ADDITION: dict[tuple[str, str], tuple[tuple[float, float | None], ...]] = {
    ("pre-trained", "one-shot"): ((47.3, None), (54.5, None), (65.1, None)),
    ("non-linear", "one-shot"): ((19.9, 20.5), (19.1, 19.7), (37.6, 39.0)),
    ("non-linear", "tuned"): ((70.4, 78.0), (75.5, 81.5), (84.0, 89.3)),
    ("linear", "one-shot"): ((55.4, 61.7), (58.2, 63.6), (80.5, 86.7)),
    ("linear", "tuned"): ((74.3, 85.0), (78.7, 87.6), (85.8, 92.8)),
    ("linear + tauJp", "one-shot"): ((84.2, 97.2), (87.5, 98.4), (90.8, 99.0)),
    ("linear + tauJp", "tuned"): ((84.5, 97.6), (87.6, 98.5), (90.8, 99.0)),
}
_NEGATION: dict[tuple[str, str], tuple[tuple[float, float], ...]] = {
    ("pre-trained", "one-shot"): ((47.3, 66.7), (54.5, 69.3), (65.1, 77.3)),
    ("non-linear", "tuned"): ((24.0, 60.7), (20.3, 64.7), (18.4, 72.4)),
    ("linear", "tuned"): ((11.8, 60.6), (8.8, 65.0), (8.3, 72.2)),
    ("linear + tauJp", "one-shot"): ((11.8, 62.5), (11.8, 67.8), (15.1, 75.1)),
    ("linear + tauJp", "tuned"): ((6.7, 60.8), (4.7, 66.0), (3.7, 73.0)),
}


def published_addition(
    model: str, way: str, choice: str = "one-shot", *, tasks: Iterable[str] = TASKS
) -> PublishedAddition | None:
    """The published mean of this model's sum; None where nobody published this model, way, choice
    and set of tasks. The pre-trained model has no coefficient: its choice does not matter."""
    found = _ADDITION.get(_row(way, choice))
    if found is None or not _same(model, tasks):
        return None
    absolute, normalised = found[MODELS.index(architecture(model))]
    return PublishedAddition(absolute / 100, None if normalised is None else normalised / 100)


def published_negation(
    model: str,
    way: str,
    choice: str = "tuned",
    *,
    targets: Iterable[str] = TASKS,
    control: str = CONTROL,
) -> PublishedNegation | None:
    """The published mean over the eight negated models; None as for `published_addition`. Their
    tuned coefficient is the largest that keeps 95 % of the control's accuracy."""
    found = _NEGATION.get(_row(way, choice))
    if found is None or control.lower() != CONTROL or not _same(model, targets):
        return None
    target, kept = found[MODELS.index(architecture(model))]
    return PublishedNegation(target / 100, kept / 100)


def architecture(model: str) -> str | None:
    """The one of MODELS that a model's name means ("ViT-B-32", "ViT-B-32:openai"), else None."""
    name, _, weights = model.partition(":")
    return name if name in MODELS and weights in ("", "openai") else None


def _row(way: str, choice: str) -> tuple[str, str]:
    if choice not in CHOICES:
        raise ValueError(f"published figures: choice is {choice!r}; expected one of {CHOICES}")
    return way, "one-shot" if way == "pre-trained" else choice


def _same(model: str, tasks: Iterable[str]) -> bool:
    return architecture(model) is not None and {task.lower() for task in tasks} == set(TASKS)
