"""ImageNet's class texts and captions from the open_clip package, without importing its models."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from types import ModuleType

from taujp.data.needs_package import NeedsPackage


def imagenet_classes() -> tuple[str, ...]:
    """A thousand texts in the order of the labels; two of them occur twice."""
    return tuple(_metadata().IMAGENET_CLASSNAMES)


def imagenet_templates() -> tuple[str, ...]:
    """CLIP's eighty captions."""
    return tuple(caption("{}") for caption in _metadata().OPENAI_IMAGENET_TEMPLATES)


@cache
def _metadata() -> ModuleType:
    package = importlib.util.find_spec("open_clip")
    if package is None or not package.submodule_search_locations:
        raise NeedsPackage(
            "imagenet: the package open_clip is not installed; expected its class names; run\n"
            "  pip install open_clip_torch"
        )
    file = Path(package.submodule_search_locations[0]) / "zero_shot_metadata.py"
    found = importlib.util.spec_from_file_location("taujp_imagenet_metadata", file)
    if found is None or found.loader is None or not file.exists():
        raise NeedsPackage("imagenet: open_clip has no zero_shot_metadata; install 2.26 or newer")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module
