"""Localisation tables of other programs, read into one shape and written so that those programs load them.

ThunderSTORM CSV, rapidSTORM text, Picasso HDF5 with its YAML and DECODE HDF5 come in, told apart by what the file
holds. Where each counts frames and pixels from stands in its module.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from model import decode_h5, picasso, rapidstorm, thunderstorm
from model.errors import InputError
from model.files import present
from model.hdf5 import is_hdf5, opened
from model.localisations import Table
from model.picasso import write as write_picasso
from model.thunderstorm import write as write_thunderstorm

__all__ = ["Table", "read_table", "write_picasso", "write_thunderstorm"]


def read_table(path: str | Path) -> Table:
    """Read a localisation table.

    Raises:
        InputError: the file is missing, empty, of no known kind, has no rows, or a cell that is not a number.
    """
    file = present(path, "table")
    table = _binary(file) if is_hdf5(file) else _text(file)
    for name in ("x_nm", "y_nm"):
        if not np.isfinite(getattr(table, name)).all():
            raise InputError(
                f"the table {file} has a {name[0]} that is not a number; remove such rows or export it again"
            )
    return table._replace(name=f"the table {file}").select(np.argsort(table.frame, kind="stable"))


def _text(file: Path) -> Table:
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"the table {file} is not text (byte {error.start}); export it as CSV") from error
    if lines and "<localizations" in lines[0]:
        return rapidstorm.parse(file, lines)
    return thunderstorm.parse(file, lines)


def _binary(file: Path) -> Table:
    with opened(file) as content:
        if picasso.ROWS in content:
            return picasso.parse(file, content)
        if decode_h5.ROWS in content:
            return decode_h5.parse(file, content)
        raise InputError(
            f"the table {file} is HDF5 but neither Picasso's nor DECODE's: it holds {', '.join(content) or 'nothing'}; "
            f"expected {picasso.ROWS} or {decode_h5.ROWS}: export it as ThunderSTORM CSV"
        )
