"""Cells that cannot be trained, because their values contradict each other, and cells that stand in the grid twice.

Every cell is built as the `TrainConfig` that its runs would train. What is wrong is told once with the first cell that
has it, however many have it, at the line of an axis that the contradiction names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from model.config import TrainConfig, field_paths
from orchestrator.search_space.document import Location, Problem
from orchestrator.search_space.grammar import SearchSpace
from orchestrator.search_space.grid import Cell, config_of
from orchestrator.search_space.wording import sentence, shortened

MAX_REFUSED = 1_000
"""Contradictory cells after which no more are looked for."""

_NUMBER = re.compile(r"\d[\d.e+-]*")
_SAME = "keep one; an axis that matters only under a condition needs 'when', as data files do beside simulated cells"


def config_problems(space: SearchSpace, cells: Sequence[Cell]) -> Iterator[Problem]:
    """What is wrong with the configs of `cells`, which are all the cells of `space`."""
    contradictions: dict[str, list[tuple[Cell, ErrorDetails]]] = {}
    repetitions: dict[Location, tuple[Cell, Cell]] = {}
    first: dict[TrainConfig, Cell] = {}
    refused = 0
    for cell in cells:
        try:
            config = config_of(space, cell)
        except ValidationError as error:
            for record in error.errors(include_url=False):
                contradictions.setdefault(_NUMBER.sub("#", sentence(record)), []).append((cell, record))
            if (refused := refused + 1) == MAX_REFUSED:
                break
            continue
        if (twin := first.setdefault(config, cell)) is not cell:
            repetitions.setdefault(_included(space, cells, cell) or ("parameters",), (cell, twin))
    for (cell, record), *more in contradictions.values():
        location = _included(space, cells, cell) or _culprit(space, record)
        yield Problem(location, f"{sentence(record)}: {_described(cell, len(more))}; exclude it or change the values")
    for location, (cell, twin) in repetitions.items():
        advice = "remove it" if location[0] == "include" else _SAME
        yield Problem(location, f"{_described(cell)} trains the same as {_described(twin)}; {advice}", of_key=True)


def _included(space: SearchSpace, cells: Sequence[Cell], cell: Cell) -> Location | None:
    index = cell.number - (len(cells) - len(space.include))
    return ("include", index) if index >= 0 else None


def _culprit(space: SearchSpace, record: ErrorDetails) -> Location:
    """Where a hyperparameter that the contradiction names gets its values: an axis rather than `base`."""
    group = str(record["loc"][0]) if record["loc"] else ""
    named = {path for path in field_paths() if _names(sentence(record), path, group)}
    return next((location for path, location in _sources(space) if path in named), ("parameters",))


def _names(message: str, path: str, group: str) -> bool:
    """Whether `message` names `path`, either in full or, within its own group, by the last word alone."""
    own, _, name = path.partition(".")
    return re.search(rf"\b{path if own != group else name}\b", message) is not None


def _sources(space: SearchSpace) -> Iterator[tuple[str, Location]]:
    yield from ((path, ("parameters", path)) for path in space.parameters)
    yield from ((path, ("zip", index, path)) for index, group in enumerate(space.zip) for path in group)
    yield from ((path, ("base", path)) for path in space.base)


def _described(cell: Cell, more: int = 0) -> str:
    values = ", ".join(f"{path} {value}" for path, value in cell.values.items())
    return f"cell {cell.number} ({shortened(values, 300) or 'base alone'})" + (f" and {more:,} more" if more else "")
