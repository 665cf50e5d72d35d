"""rapidSTORM text, whose first line is an XML header.

Its frames count from 0 and x = 0 is the centre of pixel 0, so that its stated field ends at (width − 1) · pixel:
measured on a real movie, Locan's `images.tif`, to 0.02 px. Amplitudes in camera counts are no photons.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from model.columns import Columns, read_numbers
from model.errors import InputError
from model.localisations import Table

_FWHM_PER_SIGMA = 2.0 * np.sqrt(2.0 * np.log(2.0))
_NAMES = {
    "Position-0-0": "x",
    "Position-1-0": "y",
    "ImageNumber-0-0": "frame",
    "Amplitude-0-0": "amplitude",
    "PSFWidth-0-0": "fwhm_x",
    "PSFWidth-1-0": "fwhm_y",
    "LocalBackground-0-0": "background",
}


def parse(file: Path, lines: list[str]) -> Table:
    """A table of its lines, of which the first is the XML header.

    Raises:
        InputError: the header is broken or names no frame, x or y, there are no rows, or a cell is not a number.
    """
    fields = list(_fields(file, lines[0]))
    names = [(_NAMES.get(each["identifier"], each["identifier"]), each.get("unit")) for each in fields]
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
        z_nm=columns.nm(""),
        origin_px=0.5,
        extent_nm=_extent_nm(extents["x"], extents["y"]),
    )


def _fields(file: Path, line: str) -> Iterator[dict[str, str]]:
    try:
        header = ElementTree.fromstring(line.lstrip("# "))
    except ElementTree.ParseError as error:
        raise InputError(f"the table {file} has a broken rapidSTORM header ({error}); export it again") from error
    return ({"identifier": "", **field.attrib} for field in header.iter("field"))


def _extent_nm(*texts: str) -> tuple[float, float] | None:
    metres = [re.fullmatch(r"([0-9.eE+-]+) m", text) for text in texts]
    x, y = (float(match[1]) * 1e9 if match else 0.0 for match in metres)
    return (x, y) if x > 0 and y > 0 else None
