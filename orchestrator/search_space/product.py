"""The product of the axes, with those left out whose condition does not hold: dimensions in, cells out, lazily.

The first dimension varies slowest. A dimension that is left out stays at its first row, so cells that would differ
only in it come once. The number of steps is bounded, whatever the dimensions are.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from model.config import Scalar
from orchestrator.search_space.rules import Rule

MAX_CELLS = 50_000
"""Most cells of a product."""
MAX_STEPS = 120_000
"""Most steps on the way to them."""


class GridSizeError(ValueError):
    """The product of the axes is beyond what can be looked at."""


class Dimension(NamedTuple):
    """An axis, or a group of axes that move together: one row of values per step."""

    paths: tuple[str, ...]
    rows: tuple[tuple[Scalar, ...], ...]
    when: Rule | None = None


def combinations(dimensions: Sequence[Dimension], base: Mapping[str, Scalar]) -> Iterator[dict[str, Scalar]]:
    """The values of every combination of rows, in order; conditions see `base` too.

    Raises:
        GridSizeError: there are more than `MAX_CELLS`, or finding them takes more than `MAX_STEPS`.
    """
    least = math.prod(len(dimension.rows) for dimension in dimensions if dimension.when is None)
    if least > MAX_CELLS:
        raise GridSizeError(f"the axes give {least:,} cells before the rules; at most {MAX_CELLS:,} can be looked at")
    return _Walk(dimensions, base).cells()


class _Walk:
    """Picks a row of each dimension in turn, and turns back as soon as a pick cannot lead to a new cell."""

    def __init__(self, dimensions: Sequence[Dimension], base: Mapping[str, Scalar]) -> None:
        self._base = base
        self._paths = [path for dimension in dimensions for path in dimension.paths]
        # Where a dimension with one row stands makes no difference to the order, and first it costs one step.
        self._walked = sorted(dimensions, key=lambda dimension: len(dimension.rows) > 1)
        self._settled = _settled(dimensions, self._walked)
        self._steps = 0

    def cells(self, picked: tuple[int, ...] = ()) -> Iterator[dict[str, Scalar]]:
        values = self._values(picked)
        if values is None:
            return
        if len(picked) == len(self._walked):
            yield {path: values[path] for path in self._paths if path in values}
            return
        for row in range(len(self._walked[len(picked)].rows)):
            yield from self.cells((*picked, row))

    def _values(self, picked: tuple[int, ...]) -> dict[str, Scalar] | None:
        """The values of the dimensions that are settled; None where one that is left out has not its first row."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise GridSizeError(
                f"the axes give too many cells before the rules; at most {MAX_CELLS:,} can be looked at"
            )
        values: dict[str, Scalar] = {}
        for position in self._settled[len(picked)]:
            paths, rows, when = self._walked[position]
            if when is None or when.matches({**self._base, **values}):
                values.update(zip(paths, rows[picked[position]], strict=True))
            elif picked[position] > 0:
                return None
        return values


def _settled(dimensions: Sequence[Dimension], walked: Sequence[Dimension]) -> list[list[int]]:
    """For each number of picks, the positions whose presence is known by then, in an order in which it can be told."""
    known_at: dict[str, int] = {}
    order = []
    for dimension in sorted(dimensions, key=lambda dimension: dimension.when is not None):
        position = walked.index(dimension)
        conditions = dimension.when.names if dimension.when else ()
        known = max([position + 1, *(known_at.get(name, 0) for name in conditions)])
        known_at |= dict.fromkeys(dimension.paths, known)
        order.append((position, known))
    return [[position for position, known in order if known <= picks] for picks in range(len(walked) + 1)]
