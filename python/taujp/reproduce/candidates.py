"""Ways of fine-tuning, and what is tried of each: learning rates, then weights of its penalty."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from taujp.reproduce.setups import Setup


@dataclass(frozen=True)
class Way:
    """How models are fine-tuned: a mode of `finetune` and at most one penalty."""

    label: str
    mode: str
    penalty: str | None = None

    @property
    def folder(self) -> str:
        """The label as a file name."""
        return self.label.replace(" + ", "-")


WAYS = {
    way.label: way
    for way in (
        Way("non-linear", "standard"),
        Way("linear", "linear"),
        Way("linear + tauJp", "linear", "tau_jp"),
        Way("linear + Kronecker", "linear", "kronecker"),
    )
}
USUAL = ("non-linear", "linear", "linear + tauJp")


@dataclass(frozen=True)
class Candidate:
    """One setting of a way that every task is fine-tuned with; weight None: no penalty."""

    way: Way
    learning_rate: float
    weight: float | None
    seed: int

    @property
    def name(self) -> str:
        """What is tried, as a file name."""
        weight = "" if self.weight is None else f"-weight-{self.weight:g}"
        return f"lr-{self.learning_rate:g}{weight}"

    def checkpoint(self, out: Path, task: str) -> Path:
        """Where the model fine-tuned on `task` is kept."""
        folder = out / "checkpoints" / f"seed-{self.seed}" / self.way.folder / self.name
        return folder / f"{task}.safetensors"


def weights_of(way: Way, setup: Setup) -> tuple[float | None, ...]:
    """The way's grid of weights, the first of which the learning rate is chosen with."""
    return (None,) if way.penalty is None else setup.weights[way.penalty]


def first_round(way: Way, setup: Setup, seed: int) -> tuple[Candidate, ...]:
    """Every learning rate, with the first weight."""
    weight = weights_of(way, setup)[0]
    return tuple(Candidate(way, rate, weight, seed) for rate in setup.learning_rates)


def second_round(chosen: Candidate, setup: Setup) -> tuple[Candidate, ...]:
    """The chosen learning rate with every weight, the one already tried included."""
    return tuple(
        Candidate(chosen.way, chosen.learning_rate, weight, chosen.seed)
        for weight in weights_of(chosen.way, setup)
    )


def find_ways(labels: Iterable[str]) -> tuple[Way, ...]:
    """Ways by label or folder name; ValueError lists those there are."""
    known = {name: way for way in WAYS.values() for name in (way.label, way.folder)}
    labels = list(labels)
    unknown = [label for label in labels if label not in known]
    if unknown or not labels:
        raise ValueError(
            f"reproduce: --ways {unknown or 'none'}: expected some of "
            f"{', '.join(repr(label) for label in WAYS)}"
        )
    return tuple(dict.fromkeys(known[label] for label in labels))
