"""Typed results of the protocols, and their one JSON form on disk. Accuracies are in [0, 1]."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class SingleTask:
    """One task's accuracy before and after its own fine-tuning, on both splits."""

    task: str
    zero_shot_validation: float
    zero_shot_test: float
    finetuned_validation: float
    finetuned_test: float


@dataclass(frozen=True)
class AdditionPoint:
    """One merged model on one split: every task's accuracy, their mean, and the mean of
    accuracy / fine-tuned accuracy on the same split."""

    coefficient: float
    accuracy: Mapping[str, float]
    absolute: float
    normalised: float


@dataclass(frozen=True)
class Addition:
    """`validation` holds all coefficients; `chosen` (best normalised there) and `one_shot`
    (coefficient 1, nothing chosen) are on test."""

    method: str
    options: Mapping[str, Any]
    tasks: tuple[SingleTask, ...]
    validation: tuple[AdditionPoint, ...]
    chosen: AdditionPoint
    one_shot: AdditionPoint


@dataclass(frozen=True)
class NegationPoint:
    """theta0 - coefficient * tau on one split: accuracy of the task to forget and the control."""

    coefficient: float
    target: float
    control: float


@dataclass(frozen=True)
class Unqualified:
    """No coefficient kept the control: what was asked, and the closest on validation."""

    needed_control: float
    closest: NegationPoint


@dataclass(frozen=True)
class Negation:
    """`validation` holds all coefficients; `before` and `chosen` are on test."""

    target: str
    control: str
    rule: str
    keep: float
    validation: tuple[NegationPoint, ...]
    before: NegationPoint
    chosen: NegationPoint | Unqualified


Result = Addition | Negation


def save_result(result: Result, path: str | Path) -> Path:
    """Writes a result as JSON: {"kind": its class, ...its fields}."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"kind": type(result).__name__, **asdict(result)}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return path


def load_result(path: str | Path) -> Result:
    """Reads what save_result wrote."""
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    kind = content.pop("kind", None)
    if kind == Addition.__name__:
        return _addition(content)
    if kind == Negation.__name__:
        return _negation(content)
    raise ValueError(
        f"load_result: '{path}' has the kind {kind!r}; expected 'Addition' or 'Negation'; pass a "
        "file that save_result wrote"
    )


def _addition(content: dict[str, Any]) -> Addition:
    return Addition(
        method=content["method"],
        options=content["options"],
        tasks=tuple(SingleTask(**task) for task in content["tasks"]),
        validation=tuple(AdditionPoint(**point) for point in content["validation"]),
        chosen=AdditionPoint(**content["chosen"]),
        one_shot=AdditionPoint(**content["one_shot"]),
    )


def _negation(content: dict[str, Any]) -> Negation:
    chosen = content.pop("chosen")
    validation = tuple(NegationPoint(**point) for point in content.pop("validation"))
    before = NegationPoint(**content.pop("before"))
    outcome: NegationPoint | Unqualified
    if "closest" in chosen:
        outcome = Unqualified(chosen["needed_control"], NegationPoint(**chosen["closest"]))
    else:
        outcome = NegationPoint(**chosen)
    return Negation(**content, validation=validation, before=before, chosen=outcome)
