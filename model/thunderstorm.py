"""ThunderSTORM CSV, in all the shapes found in the wild, and the SMLM Challenge's, which differs in names only.

Quoted names, a header wrapped in one pair of quotes, leading `#` lines, names without units (then nm). Frames count
from 1 and x = 0 is the left edge of pixel 0.
"""

from __future__ import annotations

import csv
import itertools
import re
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import ArrayLike

from model.columns import Columns, read_numbers
from model.emitters import Emitters
from model.errors import InputError
from model.localisations import Table


def parse(file: Path, lines: list[str]) -> Table:
    """A table of its lines.

    Raises:
        InputError: the header names no frame, x or y, there are no rows, or a cell is not a number.
    """
    skipped = sum(1 for _ in itertools.takewhile(lambda line: line.startswith("#") or not line.strip(), lines))
    header = lines[skipped] if skipped < len(lines) else ""
    names = [_name_and_unit(name) for name in _csv_header(header)]
    if "frame" not in dict(names):
        raise InputError(
            f"the table {file} is neither ThunderSTORM CSV nor rapidSTORM text nor HDF5: its first line is "
            f"{header[:80]!r}; expected column names, 'frame' among them"
        )
    columns = Columns(file, names, read_numbers(file, lines, skipped + 1, ",", len(names)))
    sigma_x = columns.nm("sigma1", "sigma")
    return Table(
        frame=columns.frames("frame", 1),
        x_nm=columns.needed_nm("x", "xnano"),
        y_nm=columns.needed_nm("y", "ynano"),
        photons=columns.photons("intensity"),
        background=columns.photons("offset", "bkg"),
        sigma_x_nm=sigma_x,
        sigma_y_nm=columns.nm("sigma2", "sigma"),
        z_nm=columns.nm("z", "znano"),
        origin_px=0.0,
        extent_nm=None,
    )


def write(path: str | Path, emitters: Emitters, pixel_nm: float) -> None:
    """Write emitters: frames from 1, nm from the left and top edge of pixel 0; depth where it is known.

    Args:
        path: is overwritten.
        emitters: N rows.
        pixel_nm: edge of a pixel in the sample.
    """
    with Path(path).open("wb") as file:
        append(file, emitters, pixel_nm)


def append(
    file: BinaryIO, emitters: Emitters, pixel_nm: float, uncertainty_nm: ArrayLike | None = None, before: int = 0
) -> None:
    """Add rows to an open file that holds `before` of them, to an empty one the header first.

    As `write` does, and with the lateral standard deviation of each position, one for all or (N,), where it is given.
    """
    columns = {
        "id": np.arange(before + 1, before + emitters.rows + 1),
        "frame": emitters.frame + 1,
        "x [nm]": emitters.x_px * pixel_nm,
        "y [nm]": emitters.y_px * pixel_nm,
    }
    if np.isfinite(emitters.z_nm).any():
        columns["z [nm]"] = emitters.z_nm
    columns["intensity [photon]"] = emitters.photons
    if uncertainty_nm is not None:
        columns["uncertainty [nm]"] = np.broadcast_to(uncertainty_nm, emitters.frame.shape)
    if not file.tell():
        file.write((",".join(f'"{name}"' for name in columns) + "\n").encode())
    kinds = ["%d" if name in {"id", "frame"} else "%.4f" for name in columns]
    np.savetxt(file, np.column_stack(list(columns.values())), kinds, ",")


def _csv_header(line: str) -> list[str]:
    names = next(csv.reader([line]), [])
    return next(csv.reader(names)) if len(names) == 1 and "," in names[0] else names


def _name_and_unit(text: str) -> tuple[str, str | None]:
    match = re.fullmatch(r"\s*(.*?)\s*(?:\[(.*)\])?\s*", text.lower())
    return (match[1], match[2]) if match else (text, None)
