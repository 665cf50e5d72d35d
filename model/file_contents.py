"""What a movie or a table holds, told without taking more than a portion of it into memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from model.errors import InputError
from model.localisations import Table
from model.movies import Movie, open_movie
from model.percentiles import percentiles
from model.tables import read_table
from model.units import MIB

RANKS = (0.0, 1.0, 20.0, 50.0, 99.0, 100.0)
TABLE_SUFFIXES = (".csv", ".txt", ".hdf5", ".h5")


def contents_of(path: Path) -> dict[str, Any]:
    """What a file or folder holds, ready for JSON.

    Raises:
        InputError: it is neither a movie nor a table that can be read.
    """
    if path.suffix.lower() in TABLE_SUFFIXES:
        return _of_table(path, read_table(path))
    with open_movie(path) as movie:
        return _of_movie(movie)


def _of_movie(movie: Movie) -> dict[str, Any]:
    try:
        values = percentiles(movie, RANKS)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{movie.path}: {error}; replace them or leave those frames out") from error
    frames, height, width = movie.shape
    return {
        "movie": str(movie.path),
        "axes": movie.axes,
        "frames": frames,
        "height": height,
        "width": width,
        "dtype": str(movie.dtype),
        "mib": round(frames * height * width * movie.dtype.itemsize / MIB, 1),
        "percentiles": {f"{rank:g}": value for rank, value in zip(RANKS, values, strict=True)},
        "pixel_nm": movie.pixel_nm,
        "notes": tuple(_notes(movie, values)),
    }


def _notes(movie: Movie, values: list[float]) -> list[str]:
    notes = []
    if movie.pixel_nm is None:
        notes.append("the file does not know its pixel size; give it with --pixel-nm (usual are 90 to 165 nm)")
    if movie.shape[0] == 1:
        notes.append("a single frame: it can be predicted, but not trained on")
    if values[0] == values[-1]:
        notes.append("it is constant: there is nothing in it")
    elif movie.dtype.kind in "ui" and values[-2] >= np.iinfo(movie.dtype).max:
        notes.append("it is saturated: at least 1 % of its pixels are at the most that they can hold")
    if movie.dtype.kind == "f":
        notes.append("floating pixels: raw camera counts are integers, so it was processed before")
    return notes


def _of_table(path: Path, table: Table) -> dict[str, Any]:
    known = {"photons": table.photons, "background": table.background, "sigma_nm": table.sigma_x_nm, "z_nm": table.z_nm}
    medians = {name: float(np.nanmedian(column)) for name, column in known.items() if np.isfinite(column).any()}
    return {
        "table": str(path),
        "localisations": len(table.frame),
        "frames": f"{table.frame.min()} to {table.frame.max()} (from 0)",
        "x_nm": _span(table.x_nm),
        "y_nm": _span(table.y_nm),
        "pixel_nm": table.pixel_nm,
        "medians": {name: round(value, 3) for name, value in medians.items()},
    }


def _span(values: np.ndarray[Any, np.dtype[np.float64]]) -> str:
    return f"{values.min():.1f} to {values.max():.1f}"
