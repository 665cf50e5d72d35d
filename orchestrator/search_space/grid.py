"""From a search space to its cells: the full product of the axes, less the rules, plus the cells beside the grid.

Everything here is pure and lazy, and the order is fixed: the first axis varies slowest, zip groups come after
`parameters`, included cells come last. An axis whose `when` does not hold is left out of the cell, so cells that
would differ only in it are one cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import NamedTuple

from model.config import PARENT_PATH, SEED_PATH, Scalar, TrainConfig, resolve
from orchestrator.search_space.grammar import SearchSpace
from orchestrator.search_space.parents import located
from orchestrator.search_space.product import Dimension, combinations
from orchestrator.search_space.rules import Rule, rule_of

FILES = ("data.movie", "data.table")
"""The hyperparameters that are paths of input files."""


class Cell(NamedTuple):
    """One point of the grid: the values of the axes that are there in it; cells are numbered from 0."""

    number: int
    values: Mapping[str, Scalar]


class Accounting(NamedTuple):
    """How the number of cells comes about."""

    axes: Mapping[str, int]
    """Number of values by axis; the names of a zip group are joined by a comma."""
    raw: int
    """Cells of the product, without axes that are left out."""
    excluded: tuple[int, ...]
    """Cells that each rule took, in the order of the rules; a cell counts for the first rule that it matches."""
    included: int
    seeds: int

    @property
    def cells(self) -> int:
        """Cells in the end."""
        return self.raw - sum(self.excluded) + self.included

    @property
    def runs(self) -> int:
        """Cells × seeds."""
        return self.cells * self.seeds

    def lines(self) -> Iterator[str]:
        """The whole count, a line for each axis and each rule."""
        yield from (f"{size:>9,}  value{'s' * (size != 1)} of {name}" for name, size in self.axes.items())
        yield f"{self.raw:>9,}  cells in their product, without axes whose condition does not hold"
        yield from (f"{-count:>9,}  by exclude rule {rule}" for rule, count in enumerate(self.excluded, start=1))
        if self.included:
            yield f"{self.included:>+9,}  by include"
        yield f"{self.cells:>9,}  cells"
        yield f"{self.runs:>9,}  runs, {self.seeds} of every cell"


def expand(space: SearchSpace) -> Iterator[Cell]:
    """The cells of `space`, in order.

    Raises:
        GridSizeError: the product of the axes is beyond what can be looked at.
        RuleError: a rule cannot be evaluated for a cell.
    """
    rules = tuple(map(rule_of, space.exclude))
    grid = (cell for cell in raw_cells(space) if first_match(rules, {**space.base, **cell}) is None)
    yield from (Cell(number, values) for number, values in enumerate(chain(grid, space.include)))


def account(space: SearchSpace) -> Accounting:
    """Count the cells of `space`; raises as `expand` does."""
    rules = tuple(map(rule_of, space.exclude))
    matches = [first_match(rules, {**space.base, **values}) for values in raw_cells(space)]
    excluded = tuple(matches.count(rule) for rule in range(len(rules)))
    return Accounting(sizes(space), len(matches), excluded, len(space.include), len(space.seeds))


def first_match(rules: tuple[Rule, ...], values: Mapping[str, Scalar]) -> int | None:
    """Index of the first rule that a cell matches."""
    return next((index for index, rule in enumerate(rules) if rule.matches(values)), None)


def sizes(space: SearchSpace) -> dict[str, int]:
    """Number of values by axis; the names of a zip group are joined by a comma."""
    return {", ".join(dimension.paths): len(dimension.rows) for dimension in dimensions(space)}


def dimensions(space: SearchSpace) -> tuple[Dimension, ...]:
    """The axes of `space`, the slowest first."""
    axes = (
        Dimension((path,), tuple((value,) for value in axis.points()), rule_of(axis.when) if axis.when else None)
        for path, axis in space.parameters.items()
    )
    groups = (Dimension(tuple(group), tuple(zip(*group.values(), strict=True))) for group in space.zip)
    return (*axes, *groups)


def config_of(space: SearchSpace, cell: Cell, seed: int | None = None) -> TrainConfig:
    """What a cell trains: its values over `base` over the defaults, with input files as absolute paths.

    Raises:
        pydantic.ValidationError: the values contradict each other.
    """
    values = {SEED_PATH: space.seeds[0] if seed is None else seed, **space.base, **cell.values}
    if parent := values.get(PARENT_PATH):
        values[PARENT_PATH] = located(str(parent), space.folder)
    if values.get("data.source", "simulated") == "simulated":
        return resolve({path: value for path, value in values.items() if path not in FILES})
    files = {path: str(space.folder / str(values[path])) for path in FILES if values.get(path)}
    return resolve({**values, **files})


def raw_cells(space: SearchSpace) -> Iterator[dict[str, Scalar]]:
    """The values of every cell of the product, before the rules; raises as `expand` does."""
    return combinations(dimensions(space), space.base)
