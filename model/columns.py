"""Columns of a localisation table by name and unit: from lines of text to numbers in nm, photons and frames.

What a table lacks and can do without is NaN; what it needs and lacks is an error that names the file and the column.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.localisations import are_whole

Floats = NDArray[np.float64]

_NM_PER_UNIT = {None: 1.0, "nm": 1.0, "nanometer": 1.0, "um": 1e3, "µm": 1e3, "micrometer": 1e3}
_PHOTONS = ("photon", "photons")


class Columns:
    """Numbers of a table by the name and unit of their column."""

    def __init__(self, file: Path, names: list[tuple[str, str | None]], numbers: Floats) -> None:
        self._file = file
        self._unit = dict(names)
        self._numbers = {name: numbers[:, index] for index, (name, _) in enumerate(names)}

    def nm(self, *names: str) -> Floats:
        """The first of these columns that is there, in nm; NaN throughout if none is."""
        name = self._first(names)
        if self._unit.get(name) not in _NM_PER_UNIT:
            raise InputError(f"the table {self._file} has {name} in {self._unit[name]}; expected nm: export it so")
        return self._column(name) * _NM_PER_UNIT[self._unit.get(name)]

    def needed_nm(self, *names: str) -> Floats:
        """The first of these columns that is there, in nm; a table without one is of no use."""
        return self.nm(self._needed(self._first(names) or names[0]))

    def photons(self, *names: str) -> Floats:
        """The first of these columns that is there and counts photons; NaN throughout if none does."""
        name = self._first(names)
        known = self._unit.get(name) in _PHOTONS
        return self._column(name if known else "")

    def frames(self, name: str, first: int) -> NDArray[np.int64]:
        """The frame column, brought to count from 0."""
        numbers = self._column(self._needed(name))
        if not are_whole(numbers).all():
            raise InputError(f"the table {self._file} has a frame that is not a whole number; export it again")
        if (numbers < first).any():
            raise InputError(f"the table {self._file} has frame {numbers.min():g}; its format counts from {first}")
        return numbers.astype(np.int64) - first

    def _first(self, names: tuple[str, ...]) -> str:
        return next((name for name in names if name in self._numbers), "")

    def _needed(self, name: str) -> str:
        if name not in self._numbers:
            found = ", ".join(self._numbers)
            raise InputError(f"the table {self._file} has no column {name!r}; it has {found}: export frame, x and y")
        return name

    def _column(self, name: str) -> Floats:
        rows = len(next(iter(self._numbers.values())))
        return self._numbers.get(name, np.full(rows, np.nan))


def read_numbers(file: Path, lines: list[str], start: int, delimiter: str | None, columns: int) -> Floats:
    """Numbers (N, columns) of the lines from `start` on; an InputError where they are not such a table."""
    rows = [line for line in lines[start:] if line.strip()]
    if not rows:
        raise InputError(f"the table {file} has no localisations, only a header; export it again")
    try:
        numbers = np.loadtxt(rows, delimiter=delimiter, comments=None, quotechar='"', ndmin=2)  # (N, columns)
    except ValueError as error:
        raise InputError(f"the table {file} cannot be read after its header: {error}; export it again") from error
    if numbers.shape[1] != columns:
        raise InputError(f"the table {file} names {columns} columns but holds {numbers.shape[1]}; export it again")
    return numbers
