"""What a mergekit method takes, and what it is here: a decorated function from one to the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from taujp.merge.errors import MergeError

from .keys import is_misspelt
from .settings import Settings, resolve

_REGISTERED: dict[str, PeerMethod] = {}


@dataclass(frozen=True)
class Step:
    """How a tensor is merged here: the method, which of the sources it takes, and by what.

    inputs: positions among the slice's sources; base: that of theta0, or None.
    """

    method: str
    inputs: tuple[int, ...]
    base: int | None
    coefs: tuple[float, ...]
    options: tuple[tuple[str, Any], ...] = ()
    lambda_: float = 1.0


@dataclass(frozen=True)
class PeerParameter:
    """A parameter: for the tensor ("shared"), for each input ("each"), or all but the base's.

    default: what holds where nothing is said; None where something must be.
    """

    name: str
    kind: type
    of: str = "shared"
    default: float | int | bool | None = None


@dataclass(frozen=True)
class Given:
    """A method's parameters for one tensor; `each[i]` are those of the slice's source i."""

    shared: Mapping[str, Any]
    each: tuple[Mapping[str, Any], ...]
    base: int | None
    seed: int = 0

    @property
    def others(self) -> tuple[int, ...]:
        """The sources that are not the base."""
        return tuple(i for i in range(len(self.each)) if i != self.base)

    def of_others(self, name: str) -> tuple[Any, ...]:
        """A parameter of each source that is not the base."""
        return tuple(self.each[i][name] for i in self.others)


class Input(NamedTuple):
    """A source of a slice: its model, what it calls the tensor, and its settings."""

    model: str
    tensor: str
    settings: Settings


@dataclass(frozen=True)
class PeerMethod:
    """base: "required", "optional" or "ignored" (it counts as any other input).

    fewest, most: how many inputs besides the base. once: whether it rounds once in mergekit too.
    """

    name: str
    translate: Callable[[Given], Step]
    base: str
    fewest: int
    most: int | None
    parameters: tuple[PeerParameter, ...]
    once: bool

    def check_inputs(self, where: str, inputs: int, base: int | None) -> None:
        """Raise MergeError where a slice has not the inputs that the method needs."""
        if self.base == "required" and base is None:
            raise MergeError(f"{where}: {self.name} needs base_model, and it among the sources")
        others = inputs - (base is not None)
        if others < self.fewest or others > (self.most or others):
            count = f"{self.fewest}" if self.most == self.fewest else f"{self.fewest} or more"
            besides = " besides the base" if base is not None else ""
            models = "model" if count == "1" else "models"
            raise MergeError(
                f"{where}: {self.name} takes {count} {models}{besides}; it has {others}"
            )

    def given(
        self,
        tensor: str,
        inputs: Sequence[Input],
        scopes: tuple[Settings, ...],
        base: int | None,
        t: float,
        seed: int,
    ) -> Given:
        """All parameters of a tensor, each from the narrowest scope that says something of it.

        scopes: the settings of the slice, the module and the configuration.
        """
        shared = {
            p.name: _value(p, scopes, tensor, t, "") for p in self.parameters if p.of == "shared"
        }
        each = tuple(
            {
                p.name: _value(p, (own.settings, *scopes), own.tensor, t, f" of {own.model}")
                for p in self.parameters
                if p.of == "each" or (p.of == "others" and i != base)
            }
            for i, own in enumerate(inputs)
        )
        return Given(shared, each, base, seed)


def peer_method(
    name: str,
    *parameters: PeerParameter,
    base: str = "required",
    others: tuple[int, int | None] = (1, None),
    once: bool = False,
) -> Callable[[Callable[[Given], Step]], Callable[[Given], Step]]:
    """Registers mergekit's method of that name, by the function that translates it."""

    def register(translate: Callable[[Given], Step]) -> Callable[[Given], Step]:
        _REGISTERED[name] = PeerMethod(name, translate, base, *others, parameters, once)
        return translate

    return register


def peer_methods() -> dict[str, PeerMethod]:
    """mergekit's methods by their names there."""
    from . import other_methods, task_methods  # noqa: F401  (they register themselves)

    return dict(sorted(_REGISTERED.items()))


def find_peer_method(name: str) -> PeerMethod:
    """The method of that name; MergeError that lists them where there is none."""
    known = peer_methods()
    if name not in known:
        raise MergeError(f"merge_method is {name!r}; mergekit 0.1.5 has {', '.join(known)}")
    return known[name]


def unused_parameters(method: PeerMethod, settings: Iterable[Settings]) -> list[str]:
    """Parameters that are set and not the method's; MergeError for what looks misspelt."""
    own = {p.name for p in method.parameters}
    every = parameter_names()
    found = dict.fromkeys(name for scope in settings for name in scope)
    unknown = [name for name in found if name not in every and is_misspelt(name, every)]
    if unknown:
        raise MergeError(
            f"parameters has {', '.join(map(repr, unknown))}, which no method has; {method.name} "
            f"has {', '.join(sorted(own)) or 'none'}"
        )
    return [name for name in found if name not in own]


def parameter_names() -> set[str]:
    """Those of all methods."""
    return {p.name for method in peer_methods().values() for p in method.parameters}


def _value(
    parameter: PeerParameter, scopes: tuple[Settings, ...], tensor: str, t: float, whose: str
) -> Any:
    found = resolve(scopes, parameter.name, parameter.kind, tensor, t)
    if found is not None:
        return found
    if parameter.default is None:
        raise MergeError(
            f"parameter {parameter.name} is missing for {tensor!r}{whose}; set it under "
            f"parameters of the model, the slice, the module or the configuration"
        )
    return parameter.default
