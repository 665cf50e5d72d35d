"""Localisation tables of other programs, read into emitters, and written so that those programs load them.

Two families come in. ThunderSTORM CSV, in all the shapes found in the wild: quoted names, a header wrapped in one pair
of quotes, leading `#` lines, names without units (then nm). Its frames count from 1 and x = 0 is the left edge of
pixel 0. rapidSTORM text, whose first line is an XML header: its frames count from 0 and x = 0 is the centre of pixel 0,
so that its stated field ends at (width − 1) · pixel: measured on a real movie, Locan's `images.tif`, to 0.02 px.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from model.columns import Columns, read_numbers
from model.emitters import Emitters
from model.errors import InputError
from model.movies import present

Floats = NDArray[np.float64]

_PER_ROW = ("frame", "x_nm", "y_nm", "photons", "background", "sigma_x_nm", "sigma_y_nm")
_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))


class Table(NamedTuple):
    """Localisations as a file states them, N rows sorted by frame; a column that it does not have is NaN throughout."""

    frame: NDArray[np.int64]  # (N,)
    """Frame, from 0 whatever the file counts from."""
    x_nm: Floats  # (N,)
    y_nm: Floats  # (N,)
    photons: Floats  # (N,)
    background: Floats  # (N,)
    """Photons per px."""
    sigma_x_nm: Floats  # (N,)
    sigma_y_nm: Floats  # (N,)
    origin_px: float
    """Where x = y = 0 lies, px from the left and top edge of pixel 0."""
    extent_nm: tuple[float, float] | None
    """Largest x and y that the file says the field has: the centres of the last column and line."""

    def select(self, rows: NDArray[Any]) -> Table:
        """Rows that a boolean mask (N,) or an index array names."""
        return self._replace(**{name: getattr(self, name)[rows] for name in _PER_ROW})

    def own_pixel_nm(self, height: int, width: int, pixel_nm: float) -> float:
        """Pixel size with which the positions were made, where the file's field tells; else `pixel_nm`.

        A field that fits the movie's `width` and `height` to within 2 % of `pixel_nm` is believed; another one belongs
        to a larger movie from which this one was cut.
        """
        if self.extent_nm is None or min(height, width) < 2:
            return pixel_nm
        sizes = (self.extent_nm[0] / (width - 1), self.extent_nm[1] / (height - 1))
        return sizes[0] if all(abs(size / pixel_nm - 1.0) <= 0.02 for size in sizes) else pixel_nm

    def emitters(self, pixel_nm: float) -> Emitters:
        """The same rows in px, with photons as far as they are known and no SNR yet."""
        x_px, y_px = self.x_nm / pixel_nm + self.origin_px, self.y_nm / pixel_nm + self.origin_px
        return Emitters.of(self.frame, x_px, y_px, self.photons)


def read_table(path: str | Path) -> Table:
    """Read a ThunderSTORM CSV or a rapidSTORM text file.

    Raises:
        InputError: the file is missing, empty, neither of the two, has no rows, or a cell that is not a number.
    """
    file = present(path, "table")
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"the table {file} is not text (byte {error.start}); export it as CSV") from error
    table = _rapidstorm(file, lines) if lines and "<localizations" in lines[0] else _thunderstorm(file, lines)
    return table.select(np.argsort(table.frame, kind="stable"))


def write_thunderstorm(path: str | Path, emitters: Emitters, pixel_nm: float) -> None:
    """Write emitters as ThunderSTORM CSV: frames from 1, nm from the left and top edge of pixel 0."""
    rows = np.column_stack(
        [emitters.frame + 1, emitters.x_px * pixel_nm, emitters.y_px * pixel_nm, emitters.photons]
    )  # (N, 4)
    header = '"frame","x [nm]","y [nm]","intensity [photon]"'
    np.savetxt(path, rows, fmt=("%d", "%.4f", "%.4f", "%.4f"), delimiter=",", header=header, comments="")


def _thunderstorm(file: Path, lines: list[str]) -> Table:
    skipped = sum(1 for _ in itertools.takewhile(lambda line: line.startswith("#") or not line.strip(), lines))
    header = lines[skipped] if skipped < len(lines) else ""
    names = [_name_and_unit(name) for name in _csv_header(header)]
    if "frame" not in dict(names):
        raise InputError(
            f"the table {file} is neither ThunderSTORM CSV nor rapidSTORM text: its first line is {header[:80]!r}; "
            "expected column names, 'frame' among them"
        )
    columns = Columns(file, names, read_numbers(file, lines, skipped + 1, ",", len(names)))
    sigma_x = columns.nm("sigma1", "sigma")
    return Table(
        frame=columns.frames("frame", 1),
        x_nm=columns.needed_nm("x"),
        y_nm=columns.needed_nm("y"),
        photons=columns.photons("intensity"),
        background=columns.photons("offset", "bkg"),
        sigma_x_nm=sigma_x,
        sigma_y_nm=columns.nm("sigma2", "sigma"),
        origin_px=0.0,
        extent_nm=None,
    )


def _csv_header(line: str) -> list[str]:
    names = next(csv.reader([line]), [])
    return next(csv.reader(names)) if len(names) == 1 and "," in names[0] else names


def _name_and_unit(text: str) -> tuple[str, str | None]:
    match = re.fullmatch(r"\s*(.*?)\s*(?:\[(.*)\])?\s*", text.lower())
    return (match[1], match[2]) if match else (text, None)


_RAPIDSTORM_NAMES = {
    "Position-0-0": "x",
    "Position-1-0": "y",
    "ImageNumber-0-0": "frame",
    "Amplitude-0-0": "amplitude",
    "PSFWidth-0-0": "fwhm_x",
    "PSFWidth-1-0": "fwhm_y",
    "LocalBackground-0-0": "background",
}


def _rapidstorm(file: Path, lines: list[str]) -> Table:
    fields = list(_rapidstorm_fields(file, lines[0]))
    names = [(_RAPIDSTORM_NAMES.get(each["identifier"], each["identifier"]), each.get("unit")) for each in fields]
    columns = Columns(file, names, read_numbers(file, lines, 1, None, len(names)))
    extents = {name: each.get("max", "") for (name, _), each in zip(names, fields, strict=True)}
    return Table(
        frame=columns.frames("frame", 0),
        x_nm=columns.needed_nm("x"),
        y_nm=columns.needed_nm("y"),
        photons=columns.photons("amplitude"),
        background=columns.photons("background"),
        sigma_x_nm=columns.nm("fwhm_x") / _FWHM_PER_SIGMA,
        sigma_y_nm=columns.nm("fwhm_y") / _FWHM_PER_SIGMA,
        origin_px=0.5,
        extent_nm=_extent_nm(extents["x"], extents["y"]),
    )


def _rapidstorm_fields(file: Path, line: str) -> Iterator[dict[str, str]]:
    try:
        header = ElementTree.fromstring(line.lstrip("# "))
    except ElementTree.ParseError as error:
        raise InputError(f"the table {file} has a broken rapidSTORM header ({error}); export it again") from error
    return ({"identifier": "", **field.attrib} for field in header.iter("field"))


def _extent_nm(*texts: str) -> tuple[float, float] | None:
    metres = [re.fullmatch(r"([0-9.eE+-]+) m", text) for text in texts]
    x, y = (float(match[1]) * 1e9 if match else 0.0 for match in metres)
    return (x, y) if x > 0 and y > 0 else None
