"""The files that a prediction leaves: a map and two tables, written block by block and cut back to where it stopped."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model import hdf5, picasso, thunderstorm
from model.config import CLASSES
from model.emitters import Emitters
from model.tiff import channels_offset, create_channels

CHANNELS = ("P0", "P1", "P2", "P3plus")
Shape = tuple[int, int, int]


class Paths(NamedTuple):
    """Where the outputs of one movie go."""

    map: Path
    thunderstorm: Path
    picasso: Path
    picture: Path
    journal: Path

    @classmethod
    def of(cls, folder: Path, stem: str) -> Paths:
        """In a folder, named after the movie."""
        names = ("counts.ome.tif", "thunderstorm.csv", "picasso.hdf5", "png", "prediction.json")
        return cls(*(folder / f"{stem}.{name}" for name in names))

    def fitted(self) -> Paths:
        """The same with the tables of a fit."""
        tables = (self.thunderstorm, self.picasso)
        return self._replace(
            **{
                name: path.with_name(path.name.replace(f".{name}.", f".fit.{name}."))
                for name, path in zip(("thunderstorm", "picasso"), tables, strict=True)
            }
        )


def stem_of(movie: Path) -> str:
    """What the outputs of a movie are named after: its name without the ending."""
    name = movie.name.lower()
    return movie.name[: -len(".ome.tif")] if name.endswith(".ome.tif") else movie.stem


class MapFile:
    """A probability map (T, 4, Y, X) on disk, float32 OME-TIFF, filled in any order of frames; a context manager."""

    def __init__(self, path: Path, shape: Shape, pixel_nm: float) -> None:
        """Create the file, or go on with one that is there."""
        frames, height, width = shape
        self._frame_bytes = 4 * CLASSES * height * width
        if not path.is_file():
            create_channels(path, (frames, CLASSES, height, width), CHANNELS, pixel_nm)
        self._offset = channels_offset(path)
        self._file = path.open("r+b")

    def write(self, first: int, probability: NDArray[np.float32]) -> None:
        """Write the maps (T, Y, X, 4) of consecutive frames."""
        self._file.seek(self._offset + first * self._frame_bytes)
        self._file.write(np.ascontiguousarray(np.moveaxis(probability, -1, 1), "<f4").tobytes())
        self._file.flush()

    def __enter__(self) -> MapFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._file.close()


def open_map(path: Path, shape: Shape) -> NDArray[np.float32]:
    """The map of a movie (T, Y, X) that was written, (T, 4, Y, X), mapped from disk."""
    frames, height, width = shape
    return np.memmap(path, "<f4", "r", channels_offset(path), (frames, CLASSES, height, width))


class TableFiles:
    """Localisations as ThunderSTORM CSV and Picasso HDF5 with YAML, appended to; a context manager."""

    def __init__(self, paths: Paths, shape: Shape, pixel_nm: float, rows: int = 0, csv_bytes: int = 0) -> None:
        """Create the files, or cut those of an interrupted prediction back to `rows` rows and `csv_bytes` bytes."""
        self.rows, self._pixel_nm = rows, pixel_nm
        self._csv = paths.thunderstorm.open("r+b" if csv_bytes else "wb")
        self._csv.truncate(csv_bytes)
        self._csv.seek(csv_bytes)
        self._hdf5 = hdf5.Rows(paths.picasso, picasso.ROWS, picasso.KIND, rows)
        picasso.write_description(paths.picasso, shape, pixel_nm)

    def append(self, emitters: Emitters, precision_px: NDArray[np.float64]) -> int:
        """Add rows with the standard deviations (N,) of their positions; bytes of the CSV so far."""
        thunderstorm.append(self._csv, emitters, self._pixel_nm, precision_px * self._pixel_nm, self.rows)
        self._csv.flush()
        self._hdf5.append(picasso.rows_of(emitters, precision_px))
        self.rows += emitters.rows
        return self._csv.tell()

    def __enter__(self) -> TableFiles:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self._csv.close()
        with self._hdf5:
            pass
