"""The search space: from a YAML file to a value of which every cell can be trained.

`load` takes the text, checks its shape, its names and values (`checks`, `data_folder`) and its cells (`survey`), and
tells all that is wrong in one error. `SearchSpace` is the grammar, `json_schema` tells it to editors; `grid` makes the
cells.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import Any

from orchestrator.errors import Mistake, SearchSpaceError
from orchestrator.search_space import checks, data_folder, survey
from orchestrator.search_space.document import Document, Problem
from orchestrator.search_space.grammar import SearchSpace
from orchestrator.search_space.schema import json_schema
from orchestrator.search_space.text_source import Source
from orchestrator.search_space.yaml_source import parse

__all__ = ["MAX_MISTAKES", "SearchSpace", "json_schema", "load"]

MAX_MISTAKES = 50
"""Most mistakes that are told at once."""

_NO_PART_OF_THE_GRID = {"name", "description", "metric", "resources", "policy"}
_STAND_INS: dict[str, Any] = {"name": "unnamed", "metric": {"name": "val_f1"}}


def load(source: Source) -> SearchSpace:
    """Check a search space and every cell of it.

    Raises:
        SearchSpaceError: something is wrong; it tells all mistakes, each with line, column and what to do.
    """
    document = parse(source.text, source.name)
    mistakes = [*document.mistakes, *map(document.mistake, islice(_problems(document, source), MAX_MISTAKES + 1))]
    if mistakes:
        raise SearchSpaceError(document.name, _first(mistakes))
    return SearchSpace.model_validate(document.values).in_folder(source.folder or Path())


def _problems(document: Document, source: Source) -> Iterator[Problem]:
    """What is wrong with the values and, where the mistakes so far do not touch the grid, with its cells."""
    touched = set()
    for problem in chain(checks.problems(document.values), data_folder.problems(document.values, source)):
        touched.add(problem.location[0] if problem.location else "")
        yield problem
    if touched <= _NO_PART_OF_THE_GRID:
        yield from survey.problems(SearchSpace.model_validate(_without(document.values, touched)))


def _without(values: Mapping[str, Any], sections: set[str | int]) -> dict[str, Any]:
    return _STAND_INS | {key: value for key, value in values.items() if key not in sections}


def _first(mistakes: list[Mistake]) -> list[Mistake]:
    if len(mistakes) <= MAX_MISTAKES:
        return mistakes
    return [Mistake(0, 0, f"more than {MAX_MISTAKES} mistakes; these come first"), *sorted(mistakes)[:MAX_MISTAKES]]
