"""The error of a task whose package is not installed."""

from __future__ import annotations


class NeedsPackage(ModuleNotFoundError):
    """The task cannot be described without a package; the message says how to install it."""
