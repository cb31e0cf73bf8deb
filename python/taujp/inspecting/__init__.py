"""What checkpoints changed and what of it is in each other's way: to look at before merging."""

from taujp.inspecting import figures  # noqa: F401  (registers them)
from taujp.inspecting.inspect import inspect
from taujp.inspecting.result import Directions, Inspection, Part

__all__ = ["Directions", "Inspection", "Part", "inspect"]
