"""The format of result files: every kind's class, read, checked and described by pydantic.

Numbers that JSON does not have are the texts "NaN", "Infinity" and "-Infinity".
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from taujp.evaluate.record import RESULTS, SCHEMA, Cost, Provenance

NOT_FINITE = ("NaN", "Infinity", "-Infinity")
ADVICE = "evaluate again, or take out what was written into the file by hand"


@cache
def kinds() -> Mapping[str, type]:
    """Every kind of result and its class: "addition": Addition, ..."""
    from taujp.evaluate.calibration import Calibration
    from taujp.inspecting.result import Inspection
    from taujp.searching.result import Search
    from taujp.tangent.metric import TauJpMatrix

    more = (Calibration, TauJpMatrix, Search, Inspection)
    return {_kind(one): one for one in (*RESULTS, *more)}


def kind_of(result: Any) -> str:
    """What a result's files say under "kind"; TypeError for what is no result."""
    found = _kind(type(result))
    if kinds().get(found) is not type(result):
        raise TypeError(
            f"save_result: the result is a {type(result).__name__}; expected one of "
            f"{[one.__name__ for one in kinds().values()]}; pass what a protocol of "
            "taujp.evaluate or taujp.tau_jp_matrix returned"
        )
    return found


def plain(value: Any) -> Any:
    """A result, provenance or cost as dicts, lists, texts and finite numbers."""
    kind: type = type(value)
    return _finite(_adapter(kind).dump_python(value))


def checked(content: Any, kind: type, where: str) -> Any:
    """`content` of a file as the dataclass `kind`; ValueError says what is wrong `where`."""
    from pydantic import ValidationError

    try:
        value = _adapter(kind).validate_python(content)
    except ValidationError as error:
        raise ValueError(f"{where}: {_faults(error)}; {ADVICE}") from None
    if unknown := _unknown(content, _adapter(kind).dump_python(value)):
        raise ValueError(
            f"{where}: {', '.join(unknown)} is unknown; expected no such entry; {ADVICE}"
        )
    return value


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a file of this kind; ValueError for a kind that is none."""
    if kind not in kinds():
        raise ValueError(f"schema: '{kind}' is no kind of result; expected one of {list(kinds())}")
    parts = {"provenance": Provenance, "cost": Cost, "result": kinds()[kind]}
    references, definitions = _schemas(parts)
    references["cost"] = {"anyOf": [references["cost"], {"type": "null"}]}
    properties = {"schema": {"const": SCHEMA}, "kind": {"const": kind}, **references}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"taujp result: {kind}",
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
        **definitions,
    }


def _kind(one: type) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", one.__name__).lower()


@cache
def _adapter(kind: type) -> Any:
    try:
        from pydantic import TypeAdapter
    except ImportError as error:
        raise ImportError(
            f"result files: pydantic cannot be imported ({error}); it is needed to write and read "
            "them; run `pip install pydantic`"
        ) from error
    return TypeAdapter(kind)


def _schemas(parts: Mapping[str, type]) -> tuple[dict[str, Any], dict[str, Any]]:
    """A reference for each part, and the definitions they refer to."""
    from pydantic import TypeAdapter
    from pydantic.json_schema import GenerateJsonSchema

    class WithNotFinite(GenerateJsonSchema):
        def float_schema(self, schema: Any) -> dict[str, Any]:
            return {"anyOf": [super().float_schema(schema), {"enum": list(NOT_FINITE)}]}

    inputs = [(name, "validation", _adapter(kind)) for name, kind in parts.items()]
    found, definitions = TypeAdapter.json_schemas(inputs, schema_generator=WithNotFinite)  # type: ignore[arg-type]
    return {name: found[name, "validation"] for name in parts}, definitions


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else NOT_FINITE[1 + (value < 0)]
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value


def _faults(error: Any) -> str:
    """The first three of pydantic's findings, each with its place."""
    found = error.errors(include_url=False)
    places = ["".join(f"'{part}' " for part in each["loc"]) for each in found]
    told = [
        f"{place}{each['msg'][:1].lower()}{each['msg'][1:]}"
        for place, each in zip(places[:3], found, strict=False)
    ]
    return "; ".join(told) + (f"; and {len(found) - 3} more" if len(found) > 3 else "")


def _unknown(given: Any, kept: Any, place: str = "") -> list[str]:
    """The entries of `given` that its dataclasses do not have."""
    if isinstance(given, Mapping) and isinstance(kept, Mapping):
        names = [f"{place}{name}" for name in given if name not in kept]
        pairs = [(f"{place}{name}.", given[name], kept[name]) for name in given if name in kept]
        return names + [each for at, a, b in pairs for each in _unknown(a, b, at)]
    if isinstance(given, list) and isinstance(kept, list | tuple):
        numbered = zip(given, kept, strict=False)
        return [
            each for i, (a, b) in enumerate(numbered) for each in _unknown(a, b, f"{place}{i}.")
        ]
    return []
