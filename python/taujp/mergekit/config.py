"""A mergekit configuration as what it says: typed, complete, every unknown key an error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from taujp.merge.errors import MergeError

from .keys import MODEL_KEYS, MODULE_KEYS, SLICE_KEYS, SOURCE_KEYS, WHOLE_KEYS, part_of
from .reading import list_of, mapping_of, span_of, text_of
from .reference import ModelReference, model_reference
from .settings import Settings, settings_of
from .tokenizer_spec import TokenizerSpec, tokenizer_spec

ELSEWHERE = {
    "experts": "mixture-of-experts assembly is mergekit-moe's; taujp merges models of one shape",
    "gate_mode": "mixture-of-experts assembly is mergekit-moe's; taujp merges models of one shape",
    "genome": "evolutionary search is mergekit-evolve's; use taujp.search (`taujp search`)",
}
DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
DOUBLE = ("float64", "torch.float64")
WHOLE = ""  # the name of the one module of a model that names none


@dataclass(frozen=True)
class Source:
    """One input of a slice; `layers` is [begin, end), or None for all of the model."""

    model: ModelReference
    layers: tuple[int, int] | None
    parameters: Settings


@dataclass(frozen=True)
class Slice:
    """Layers that are merged of the same sources."""

    sources: tuple[Source, ...]
    base: ModelReference | None
    parameters: Settings


@dataclass(frozen=True)
class Module:
    """A part of the model with layers of its own; `models` make one slice of whole models."""

    slices: tuple[Slice, ...]
    parameters: Settings


@dataclass(frozen=True)
class Configuration:
    """One merge: its method, and for each module its slices; dtypes as "F32", "F16", "BF16".

    document: as it was read. double: whether mergekit would compute it in float64.
    """

    method: str
    modules: Mapping[str, Module]
    base: ModelReference | None
    parameters: Settings
    dtype: str | None
    out_dtype: str | None
    tokenizer: TokenizerSpec | None
    chat_template: str | None
    document: Mapping[str, Any]
    double: bool

    @property
    def written(self) -> str | None:
        """The dtype of the output where one is said."""
        return self.out_dtype or self.dtype

    @property
    def models(self) -> tuple[ModelReference, ...]:
        """Every model that is named, once: the base, then in the order of the configuration."""
        found = dict.fromkeys([self.base] if self.base else [])
        for module in self.modules.values():
            for part in module.slices:
                found |= dict.fromkeys([part.base] if part.base else [])
                found |= dict.fromkeys(source.model for source in part.sources)
        return tuple(found)


def configuration(document: Any) -> Configuration:
    """Check one document of a configuration and give it its types.

    Raises: MergeError that names the key, what came and what was expected.
    """
    for key, advice in ELSEWHERE.items():
        if isinstance(document, Mapping) and key in document:
            raise MergeError(f"configuration has the key {key!r}: {advice}")
    found = part_of("configuration", document, WHOLE_KEYS)
    if "merge_method" not in found:
        raise MergeError("configuration has no merge_method; expected e.g. merge_method: linear")
    parts = [key for key in ("models", "slices", "modules") if found.get(key)]
    if len(parts) != 1:
        raise MergeError(
            f"configuration has {' and '.join(parts) or 'none of models, slices, modules'}; "
            f"expected exactly one of models, slices, modules"
        )
    base = found.get("base_model")
    template = found.get("chat_template")
    out_dtype = _dtype("out_dtype", found.get("out_dtype"))
    double = out_dtype is not None and str(found.get("dtype")) in DOUBLE
    return Configuration(
        method=text_of("merge_method", found["merge_method"]),
        modules=_modules(parts[0], found[parts[0]]),
        base=None if base is None else model_reference("base_model", base),
        parameters=settings_of("parameters", found.get("parameters")),
        dtype=None if double else _dtype("dtype", found.get("dtype")),
        out_dtype=out_dtype,
        tokenizer=tokenizer_spec(found.get("tokenizer_source"), found.get("tokenizer")),
        chat_template=None if template is None else text_of("chat_template", template),
        document=found,
        double=double,
    )


def _modules(key: str, value: Any) -> dict[str, Module]:
    if key == "models":
        return {WHOLE: Module((_models(key, value),), {})}
    if key == "slices":
        return {WHOLE: Module(_slices(key, value), {})}
    return {name: _module(f"modules.{name}", part) for name, part in mapping_of(key, value).items()}


def _module(where: str, value: Any) -> Module:
    found = part_of(where, value, MODULE_KEYS)
    if bool(found.get("models")) == bool(found.get("slices")):
        raise MergeError(f"{where} has {sorted(found)}; expected exactly one of models, slices")
    parameters = settings_of(f"{where}.parameters", found.get("parameters"))
    if found.get("models"):
        return Module((_models(f"{where}.models", found["models"]),), parameters)
    return Module(_slices(f"{where}.slices", found["slices"]), parameters)


def _models(where: str, value: Any) -> Slice:
    sources = []
    for i, item in enumerate(list_of(where, value)):
        place = f"{where}[{i}]"
        found = part_of(place, item, MODEL_KEYS)
        settings = settings_of(f"{place}.parameters", found.get("parameters"))
        sources.append(Source(_model(place, found), None, settings))
    return Slice(tuple(sources), None, {})


def _slices(where: str, value: Any) -> tuple[Slice, ...]:
    slices = []
    for i, item in enumerate(list_of(where, value)):
        place = f"{where}[{i}]"
        found = part_of(place, item, SLICE_KEYS)
        given = list_of(f"{place}.sources", found.get("sources"))
        sources = tuple(_source(f"{place}.sources[{k}]", part) for k, part in enumerate(given))
        lengths = {end - begin for begin, end in (s.layers for s in sources if s.layers)}
        if len(lengths) > 1:
            raise MergeError(f"{place}: sources of {sorted(lengths)} layers; expected equally many")
        base = found.get("base_model")
        slices.append(
            Slice(
                sources,
                None if base is None else model_reference(f"{place}.base_model", base),
                settings_of(f"{place}.parameters", found.get("parameters")),
            )
        )
    return tuple(slices)


def _source(where: str, value: Any) -> Source:
    found = part_of(where, value, SOURCE_KEYS)
    layers = span_of(f"{where}.layer_range", found.get("layer_range"))
    settings = settings_of(f"{where}.parameters", found.get("parameters"))
    return Source(_model(where, found), layers, settings)


def _model(where: str, found: Mapping[str, Any]) -> ModelReference:
    if "model" not in found:
        raise MergeError(f"{where} has no model; expected a path, path+adapter or path@revision")
    return model_reference(f"{where}.model", found["model"])


def _dtype(where: str, value: Any) -> str | None:
    if value is None:
        return None
    name = text_of(where, value).removeprefix("torch.")
    if value in DOUBLE:
        raise MergeError(
            f"{where} is {value!r}: sums are made in float32 here, and none is written as float64; "
            f"say out_dtype: float32 (or float16, bfloat16), or dtype: float32"
        )
    if name not in DTYPES:
        raise MergeError(f"{where} is {value!r}; expected {', '.join(DTYPES)}")
    return DTYPES[name]
