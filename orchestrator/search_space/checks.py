"""What can be wrong with a search space before its cells are looked at: the shape, the names, the values.

`problems` takes the values of the YAML as they came and finds every mistake in them, not only the first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from model.config import SEED_PATH, Scalar, field_paths, resolve
from orchestrator.search_space.document import Location, Problem
from orchestrator.search_space.grammar import SearchSpace
from orchestrator.search_space.mentions import Mention, mentions
from orchestrator.search_space.rules import EXPRESSION, RuleError
from orchestrator.search_space.sections import Section
from orchestrator.search_space.wording import sentence, unknown_key, unknown_path

SETS = ("base", "parameters", "zip")
"""Where a hyperparameter of the grid gets its values."""


def problems(space: Mapping[str, Any]) -> Iterator[Problem]:
    """Everything that is wrong with the values of a YAML file, as far as it can be told without its cells."""
    paths = set(field_paths())
    found = list(mentions(space))
    known = [mention for mention in found if mention.path in paths]
    unknown = [mention for mention in found if mention.path not in paths]
    misnamed = {mention.location for mention in unknown}
    yield from (Problem(mention.location, unknown_path(mention.path), of_key=True) for mention in unknown)
    yield from (problem for problem in _shape_problems(space) if problem.location not in misnamed)
    yield from chain.from_iterable(map(_value_problems, known))
    yield from _double_problems(known)
    yield from _seed_problems(space, known)
    if set(space) <= set(SearchSpace.model_fields) and not any(mention.role in SETS for mention in unknown):
        yield from _reference_problems(known)
        yield from _condition_problems(known)


def _shape_problems(space: Mapping[str, Any]) -> Iterator[Problem]:
    try:
        SearchSpace.model_validate(space)
    except ValidationError as error:
        for record in error.errors(include_url=False):
            # pydantic also calls a list too short if its items are wrong
            if record["type"] != "too_short" or not record["input"]:
                yield _shape_problem(record)


def _shape_problem(record: ErrorDetails) -> Problem:
    location: Location = record["loc"]
    if record["type"] == "extra_forbidden":
        return Problem(location, unknown_key(str(location[-1]), _section_at(location).model_fields), of_key=True)
    if isinstance(record.get("ctx", {}).get("error"), RuleError):
        location = (*location, EXPRESSION)
    return Problem(location, sentence(record))


def _section_at(location: Location) -> type[Section]:
    section: type[Section] = SearchSpace
    for step in location:
        field = section.model_fields.get(str(step))
        section = next(_sections_in(field.annotation), section) if field else section
    return section


def _sections_in(annotation: Any) -> Iterator[type[Section]]:
    if isinstance(annotation, type) and issubclass(annotation, Section):
        yield annotation
    yield from chain.from_iterable(map(_sections_in, get_args(annotation)))


def _value_problems(mention: Mention) -> Iterator[Problem]:
    messages: dict[Location, str] = {}
    for location, value in mention.values:
        if message := _value_problem(mention.path, value):
            messages.setdefault(location, f"{mention.path}: {message}")
    yield from (Problem(location, message) for location, message in messages.items())


@lru_cache(maxsize=1024, typed=True)
def _value_problem(path: str, value: Scalar) -> str:
    try:
        resolve({path: value})
    except ValidationError as error:
        for record in error.errors(include_url=False):
            if ".".join(map(str, record["loc"])) == path:
                return sentence(record)
    return ""


def _double_problems(known: Sequence[Mention]) -> Iterator[Problem]:
    first: dict[str, Mention] = {}
    for mention in known:
        if mention.role in SETS and (other := first.setdefault(mention.path, mention)) is not mention:
            message = f"{mention.path} is set here and in '{other.role}'; keep one of them"
            yield Problem(mention.location, message, of_key=True)


def _seed_problems(space: Mapping[str, Any], known: Sequence[Mention]) -> Iterator[Problem]:
    for mention in known:
        if mention.path != SEED_PATH:
            continue
        if mention.role != "base":
            message = f"{SEED_PATH} repeats cells and makes none; write 'replicates: {{seeds: [11, 23]}}' instead"
            yield Problem(mention.location, message, of_key=True)
        elif space.get("replicates") is not None:
            yield Problem(
                mention.location, f"{SEED_PATH} is set here and in 'replicates'; keep one of them", of_key=True
            )


def _reference_problems(known: Sequence[Mention]) -> Iterator[Problem]:
    there = {mention.path for mention in known if mention.role in SETS}
    for mention in known:
        if mention.role in ("exclude", "when") and mention.path not in {*there, SEED_PATH}:
            message = f"{mention.path} is neither an axis nor in base, so no cell has it; make it an axis or remove it"
            yield Problem(mention.location, message, of_key=True)


def _condition_problems(known: Sequence[Mention]) -> Iterator[Problem]:
    conditions = [mention for mention in known if mention.role == "when"]
    order = list(dict.fromkeys(mention.location[1] for mention in conditions))
    for mention in conditions:
        axis = mention.location[1]
        if mention.path in order[order.index(axis) :]:
            message = f"the condition of {axis} needs {mention.path}, which is decided later; move that axis above it"
            yield Problem(mention.location, message, of_key=True)
