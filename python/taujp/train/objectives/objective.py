"""What every invariance objective is: a module objective(features, head, environments)."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, ClassVar, Literal, get_args, get_origin, get_type_hints

import torch
from torch import Tensor, nn

from taujp.train.objectives.environments import Environments

_REGISTERED: dict[str, type[InvarianceObjective]] = {}
Log = dict[str, Tensor]


@dataclass(eq=False)
class InvarianceObjective(nn.Module):
    """A loss of features, head and environments; its fields are its hyper-parameters.

    `forward(features [n, width], head, environments)` gives (loss, log): the loss to minimise, and
    detached scalars: the mean risk, every environment's risk, the penalties without their weights.
    The step is a buffer of state_dict(), and draws are a pure function of (seed, step): a run that
    goes on from a saved state, or simply says which step it is at, sees the same numbers.
    """

    name: ClassVar[str]

    def __post_init__(self) -> None:
        super().__init__()
        self.step: Tensor
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))
        self._check()

    def begin(self, step: int) -> bool:
        """Before the forward pass of every step; True: the optimiser is to forget its moments."""
        self.step.fill_(step)
        return False

    def follow(self, parameters: Iterable[nn.Parameter]) -> None:
        """Once before training: what is trained. Only an objective of several losses needs it."""

    def forward(
        self, features: Tensor, head: nn.Module, environments: Environments
    ) -> tuple[Tensor, Log]:
        raise NotImplementedError

    @property
    def settings(self) -> dict[str, Any]:
        """The name and the hyper-parameters, for a checkpoint's metadata."""
        return {"name": self.name, **{one.name: getattr(self, one.name) for one in fields(self)}}

    def _check(self) -> None:
        kinds = get_type_hints(type(self))
        for name, value in self.settings.items():
            kind = kinds[name]
            if get_origin(kind) is Literal and value not in get_args(kind):
                raise ValueError(
                    f"{self.name}: {name} is {value!r}; expected one of {list(get_args(kind))}"
                )
            number = isinstance(value, int | float) and not isinstance(value, bool)
            if kind in (int, float) and not (number and 0 <= value < math.inf):
                raise ValueError(
                    f"{self.name}: {name} is {value!r}; expected a finite number, 0 or more"
                )

    def _needs_several(self, environments: Environments) -> None:
        if len(environments.names) < 2:
            raise ValueError(
                f"{self.name}: there is one environment, {environments.names[0]!r}; expected at "
                "least two: it compares their risks; erm and irmv1 take one"
            )


def invariance_objective(name: str) -> Callable[[type], type]:
    """Registers an objective under its name."""

    def register(kind: type[InvarianceObjective]) -> type[InvarianceObjective]:
        kind.name = name
        _REGISTERED[name] = kind
        return kind

    return register


@cache
def objectives() -> dict[str, type[InvarianceObjective]]:
    """Every objective by name; each lives in a file of its own in this folder."""
    package = importlib.import_module("taujp.train.objectives")
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return dict(sorted(_REGISTERED.items()))


def make_objective(name: str, **options: Any) -> InvarianceObjective:
    """The objective of that name; ValueError for a name or an option that there is not."""
    if name not in objectives():
        raise ValueError(f"objective is {name!r}; expected one of {', '.join(objectives())}")
    kind = objectives()[name]
    known = [one.name for one in fields(kind)]
    unknown = sorted(set(options) - set(known))
    if unknown:
        raise ValueError(
            f"{name}: unknown option {', '.join(map(repr, unknown))}; its options are "
            f"{', '.join(known) or 'none'}"
        )
    needed = [one.name for one in fields(kind) if one.default is MISSING]
    missing = [one for one in needed if one not in options]
    if missing:
        raise ValueError(f"{name}: {', '.join(missing)} is not given; expected it: {kind.__doc__}")
    return kind(**options)
