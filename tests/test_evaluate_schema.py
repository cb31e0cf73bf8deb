"""The JSON Schema of result files agrees with what is written."""

from __future__ import annotations

import json

import pytest

from taujp.cli import main
from taujp.evaluate.result_files import save_result
from taujp.evaluate.schema import json_schema
from test_evaluate_records import COST, EVERY, PROVENANCE


@pytest.mark.parametrize("name", EVERY)
def test_the_schema_describes_what_is_written(name, tmp_path):
    """Every entry of the file is a property of the schema, and every required one is there."""
    path = save_result(EVERY[name], tmp_path / "a.json", provenance=PROVENANCE, cost=COST)
    content = json.loads(path.read_text())
    schema = json_schema(content["kind"])
    described(content, schema, schema["$defs"])
    assert schema["properties"]["kind"] == {"const": content["kind"]}


def described(value, schema, definitions):
    """A small part of JSON Schema: enough to notice what a dataclass and its schema disagree on."""
    if "$ref" in schema:
        return described(value, definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    if "anyOf" in schema:
        assert any(fits(value, one, definitions) for one in schema["anyOf"]), (value, schema)
        return None
    if "const" in schema or "enum" in schema:
        assert value in schema.get("enum", [schema.get("const")])
        return None
    types = {
        "object": dict,
        "array": list,
        "string": str,
        "number": (int, float),
        "null": type(None),
    }
    if "type" in schema:
        assert isinstance(value, types.get(schema["type"], int)), (value, schema)
    if isinstance(value, dict):
        assert set(schema.get("required", ())) <= set(value)
        for key, each in value.items():
            inner = schema.get("properties", {}).get(key, schema.get("additionalProperties", False))
            assert inner is not False, key
            described(each, {} if inner is True else inner, definitions)
    if isinstance(value, list):
        places = schema.get("prefixItems") or [schema.get("items", {})] * len(value)
        for each, inner in zip(value, places, strict=True):
            described(each, inner, definitions)
    return None


def fits(value, schema, definitions):
    try:
        described(value, schema, definitions)
    except AssertionError:
        return False
    return True


def test_the_schema_allows_numbers_that_are_not_finite():
    accuracy = json_schema("single")["$defs"]["Scores"]["properties"]["accuracy"]
    assert {"enum": ["NaN", "Infinity", "-Infinity"]} in accuracy["anyOf"]


def test_an_unknown_kind_has_no_schema():
    with pytest.raises(ValueError, match="'sum' is no kind of result"):
        json_schema("sum")


def test_the_command_prints_it(capsys):
    assert main(["compare", "--schema", "negation"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema("negation")
