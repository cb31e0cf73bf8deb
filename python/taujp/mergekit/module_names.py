"""Which tensors a configuration's module means: by the beginnings of their names."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from taujp.merge.errors import MergeError

from .config import WHOLE
from .layers import Tower

DEFAULT = "default"  # what is left: all of a model of one tower, as in mergekit
# mergekit's names of modules whose tensors begin otherwise.
BEGINNINGS = {
    "text_decoder": ("text_decoder", "language_model", "model.language_model"),
    "vision_tower": ("vision_tower", "visual", "model.visual", "model.vision_tower"),
    "shared": ("shared", "lm_head"),
}


def names_by_module(
    modules: Collection[str], names: Collection[str], towers: Mapping[str, Tower]
) -> dict[str, list[str]]:
    """The tensors of each module; what belongs to none is left out.

    Raises: MergeError for a module that means no tensor, and for a tensor that two modules mean.
    """
    if WHOLE in modules:
        return {WHOLE: list(names)}
    found = {module: _meant(module, names) for module in modules if module != DEFAULT}
    taken: dict[str, str] = {}
    for module, meant in found.items():
        if not meant:
            raise MergeError(f"modules.{module}: no tensor begins with it; {_known(names, towers)}")
        for name in meant:
            if taken.setdefault(name, module) != module:
                raise MergeError(
                    f"modules: {taken[name]} and {module} both mean {name!r}; name it once"
                )
    if DEFAULT in modules:
        found[DEFAULT] = [name for name in names if name not in taken]
    return found


def _meant(module: str, names: Collection[str]) -> list[str]:
    beginnings = BEGINNINGS.get(module, (module, f"model.{module}"))
    prefixes = tuple(f"{beginning}." for beginning in beginnings)
    return [name for name in names if name.startswith(prefixes)]


def _known(names: Collection[str], towers: Mapping[str, Tower]) -> str:
    firsts = dict.fromkeys(name.split(".")[0] for name in names)
    prefixes = [prefix.rstrip(".") for prefix in towers]
    return f"names begin with {', '.join([*firsts, *prefixes])}; `{DEFAULT}` is what is left"
