"""What a merge computes, in the kernels' words; csrc/core/recipe.h is its other half."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

from .coefficients import LARGEST
from .errors import MergeError


@dataclass(frozen=True)
class Recipe:
    """tau -> sparsify -> times w -> fold -> divide -> times lambda -> plus theta0, parts left out.

    `density`, `skip` and `spread` hold one share for each of the N checkpoints, or none where
    unused; `dials` the numbers that the fold's header in csrc/merge/ names.
    """

    fold: str = "linear"
    sparsifier: str = "none"
    rescale: str = "none"
    normalize: bool = False
    keep_one: bool = False
    over_model: bool = False
    density: tuple[float, ...] = ()
    skip: tuple[float, ...] = ()
    seed: int = 0
    spread: tuple[float, ...] = ()
    dials: tuple[float, ...] = ()
    weighting: str = "given"

    def shares(self, checkpoints: int) -> tuple[float, ...]:
        """The density of each checkpoint; 1 where the method drops nothing."""
        return self.density or (1.0,) * checkpoints

    @property
    def draws(self) -> bool:
        """Whether elements are dropped by coin."""
        return self.sparsifier in ("random", "rank")

    @property
    def surveys(self) -> bool:
        """Whether a parameter's numbers are gone through before they are merged."""
        chosen = self.sparsifier not in ("none", "random")
        return chosen or self.rescale == "l1" or self.weighting != "given"

    @property
    def steps(self) -> bool:
        """Whether it is a chain of tensor operations, each of which rounding="stepwise" rounds."""
        family = self.fold in ("linear", "elect_weighted", "elect_unweighted", "largest")
        chosen = self.sparsifier in ("none", "random", "magnitude", "rank")
        return family and chosen and self.weighting == "given"

    def row(self, shape: tuple[int, ...]) -> int:
        """Elements to a row of a parameter, or 0 where rows mean nothing to it."""
        if self.sparsifier == "rank":
            return math.prod(shape[1:] if len(shape) > 1 else shape)
        if self.sparsifier == "importance":
            return shape[-1] if shape else 1
        return 0


def one_each(
    option: str, value: float | list[float] | tuple[float, ...], n: int, most: float = 1.0
) -> tuple[float, ...]:
    """A number in [0, most] for each of n checkpoints, from one number or a list of n."""
    try:
        shares = (
            tuple(_number(v) for v in value)
            if isinstance(value, list | tuple)
            else (_number(value),) * n
        )
    except (TypeError, ValueError) as error:
        raise MergeError(
            f"{option} is {value!r}; expected a number in [0, {most:g}] or a list of {n}"
        ) from error
    if len(shares) != n:
        raise MergeError(f"{option} has {len(shares)} values for {n} checkpoints; give one, or {n}")
    if not all(0.0 <= share <= most for share in shares):
        raise MergeError(f"{option} is {value!r}; every share must lie in [0, {most:g}]")
    return shares


def one_number(option: str, value: float, least: float, most: float = LARGEST) -> float:
    """A number between two others, both allowed; the kernels hold none beyond `LARGEST`."""
    try:
        number = _number(value)
    except (TypeError, ValueError) as error:
        raise MergeError(f"{option} is {value!r}; expected a number") from error
    if not least <= number <= most:
        raise MergeError(f"{option} is {value!r}; expected a number from {least:g} to {most:g}")
    return number


def _number(value: float) -> float:
    """Python would read texts as numbers too."""
    if isinstance(value, str | bytes):
        raise TypeError
    return float(value)


def whole_number(option: str, value: float, least: int, most: int) -> int:
    """A number without a fraction between two others, both allowed."""
    number = one_number(option, value, least, most)
    if number != int(number):
        raise MergeError(f"{option} is {value!r}; expected a whole number")
    return int(number)


def seed_of(seed: float) -> int:
    """Any whole number, however large: each makes other coins."""
    try:
        whole = None if isinstance(seed, bool) or int(seed) != seed else int(seed)
    except (TypeError, ValueError, OverflowError):
        whole = None
    if whole is None:
        raise MergeError(f"seed is {seed!r}; expected a whole number")
    return whole


def yes_or_no(option: str, value: bool) -> bool:
    """A flag; any other text or number would count as true."""
    if not isinstance(value, int) or value not in (0, 1):
        raise MergeError(f"{option} is {value!r}; expected True or False")
    return bool(value)


def one_of(option: str, value: str | None, choices: dict[str | None, str]) -> str:
    """The kernels' word for a choice."""
    if not (value is None or isinstance(value, str)) or value not in choices:
        raise MergeError(f"{option} is {value!r}; expected one of {', '.join(map(repr, choices))}")
    return choices[value]


def coin_key(seed: int, checkpoint: int, parameter: str) -> int:
    """The 64-bit key of one checkpoint's coins for one parameter: see csrc/core/random.h."""
    text = f"{seed}\0{checkpoint}\0{parameter}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
