"""mergekit's configurations: YAML in, a model's folder out; the package itself can be called.

    taujp.mergekit("config.yml", "out/")

Configuration -> models -> outline (tensor by tensor) -> merges -> assembly -> files.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """`taujp.mergekit` is this package once any part of it is imported; so it does the work."""

    def __call__(self, *arguments: Any, **options: Any) -> str:
        from .run import mergekit

        return mergekit(*arguments, **options)


sys.modules[__name__].__class__ = _Callable
