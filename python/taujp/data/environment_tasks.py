"""The test beds whose environments come with the package, by the names of their tasks."""

from __future__ import annotations

from collections.abc import Callable

from taujp.data.coloured_digits import coloured_digits
from taujp.data.environments import EnvironmentTask
from taujp.data.rotated_digits import rotated_digits

ENVIRONMENT_TASKS: dict[str, Callable[[], EnvironmentTask]] = {
    "coloured_digits": coloured_digits,
    "rotated_digits": rotated_digits,
}
