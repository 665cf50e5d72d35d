"""Every place where a search space names a hyperparameter, found in the values of the YAML as they came.

Nothing is assumed about their shape, so a file with mistakes elsewhere can still be checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from model.config import Scalar
from orchestrator.search_space.axes import Linspace, Logspace
from orchestrator.search_space.document import Location
from orchestrator.search_space.rules import EXPRESSION, RuleError, parse

_GENERATORS: Mapping[str, type[Linspace | Logspace]] = {"linspace": Linspace, "logspace": Logspace}


class Mention(NamedTuple):
    """A hyperparameter, where its name stands, and the values that are given or compared there."""

    role: str
    """base, parameters, zip, include, exclude or when."""
    location: Location
    path: str
    values: tuple[tuple[Location, Scalar], ...] = ()


def mentions(space: Mapping[str, Any]) -> Iterator[Mention]:
    """All mentions in the raw values of a search space."""
    yield from _assignments("base", ("base",), space.get("base"))
    for location, path, axis in _pairs(("parameters",), space.get("parameters")):
        yield Mention("parameters", location, path, tuple(_points(location, axis)))
        if isinstance(axis, dict):
            yield from _assignments("when", (*location, "when"), axis.get("when"))
    for role in ("zip", "include", "exclude"):
        for location, entries in _items((role,), space.get(role)):
            yield from _assignments(role, location, entries)


def _assignments(role: str, location: Location, entries: Any) -> Iterator[Mention]:
    for place, path, value in _pairs(location, entries):
        if role == "exclude" and path == EXPRESSION:
            yield from (Mention(role, place, name) for name in _names(value))
        else:
            yield Mention(role, place, path, tuple(_scalars(place, value)))


def _points(location: Location, axis: Any) -> Iterator[tuple[Location, Scalar]]:
    for place, key, value in _pairs(location, axis):
        if key in ("value", "values"):
            yield from _scalars(place, value)
        elif key in _GENERATORS:
            yield from ((place, point) for point in _generated(key, value))


def _generated(key: str, value: Any) -> tuple[Scalar, ...]:
    try:
        return _GENERATORS[key].model_validate(value).points()
    except ValidationError:
        return ()


def _names(expression: Any) -> tuple[str, ...]:
    try:
        return parse(expression).names
    except RuleError:
        return ()


def _scalars(location: Location, value: Any) -> Iterator[tuple[Location, Scalar]]:
    for place, item in _items(location, value) if isinstance(value, list) else [(location, value)]:
        if not isinstance(item, dict | list):
            yield place, item


def _items(location: Location, value: Any) -> list[tuple[Location, Any]]:
    return [((*location, index), item) for index, item in enumerate(value)] if isinstance(value, list) else []


def _pairs(location: Location, value: Any) -> list[tuple[Location, str, Any]]:
    return [((*location, key), key, item) for key, item in value.items()] if isinstance(value, dict) else []
