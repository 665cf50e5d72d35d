"""The JSON Schema of a search space, for editors: every key, every hyperparameter, with bounds and descriptions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from model.config import TrainConfig, field_paths
from orchestrator.search_space.grammar import SearchSpace
from orchestrator.search_space.rules import EXPRESSION

Schema = dict[str, Any]


def json_schema() -> Schema:
    """The grammar as JSON Schema 2020-12, in which hyperparameters are known by their paths."""
    schema = SearchSpace.model_json_schema()
    top, definitions = schema["properties"], schema["$defs"]
    fields = dict(_fields())
    values = {path: {"$ref": f"#/$defs/{path}"} for path in fields}
    choices = {path: {"anyOf": [value, _list_of(value)]} for path, value in values.items()}
    _name_keys(top["base"], values)
    _name_keys(top["include"]["items"], values)
    _name_keys(top["zip"]["items"], {path: _list_of(value) for path, value in values.items()})
    _name_keys(top["exclude"]["items"], {**choices, EXPRESSION: {"type": "string"}})
    _name_keys(definitions["Axis"]["properties"]["when"]["anyOf"][0], choices)
    axes = {path: _axis_of(value, fields[path].get("description", "")) for path, value in values.items()}
    _name_keys(top["parameters"], axes)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "$defs": {**definitions, **fields}}


def _fields() -> Iterator[tuple[str, Schema]]:
    """Every hyperparameter with its own schema."""
    config = TrainConfig.model_json_schema()
    for path in field_paths():
        group, _, name = path.partition(".")
        reference = config["properties"][group]["$ref"]
        yield path, config["$defs"][reference.removeprefix("#/$defs/")]["properties"][name]


def _name_keys(mapping: Schema, properties: Schema) -> None:
    mapping["properties"] = properties
    mapping["additionalProperties"] = False


def _list_of(value: Schema) -> Schema:
    return {"type": "array", "items": value, "minItems": 1}


def _axis_of(value: Schema, description: str) -> Schema:
    typed = {"properties": {"values": _list_of(value), "value": value}}
    return {"description": description, "allOf": [{"$ref": "#/$defs/Axis"}, typed]}
