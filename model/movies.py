"""Movies, read frame by frame from whatever holds them: a TIFF file, a folder of them, DAX or Picasso's raw pixels.

A movie may be larger than memory: frames are decoded when they are asked for, and an array of all of them is mapped
from disk where it would be large.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.files import present
from model.folder import FolderFrames
from model.percentiles import pieces
from model.raw import dax_frames, picasso_frames
from model.tiff import TiffFrames, write_imagej

MOST_BYTES = 1 << 30
"""An array of a movie that is larger is mapped from disk."""
_SOURCES = {".dax": dax_frames, ".raw": picasso_frames}


class Frames(Protocol):
    """What holds frames, as a movie needs it."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    pixel_nm: float | None
    axes: str

    def decode(self, start: int, stop: int) -> NDArray[Any]:
        """Frames `start` to `stop` (exclusive), (T, Y, X)."""

    def mapped(self) -> NDArray[Any]:
        """All frames mapped from disk; a ValueError where they do not lie there in one piece."""

    def close(self) -> None:
        """Let go of files."""


class Movie:
    """An open movie; frames are decoded when they are asked for. A context manager, and a `model.percentiles.Stack`.

    Attributes:
        path: the file or folder.
        shape: (T, Y, X).
        dtype: kind of the pixels.
        pixel_nm: edge of a pixel in the sample by the file's own metadata, nm; none where the file does not know it.
        axes: as the file tags them.
    """

    def __init__(self, path: Path, frames: Frames) -> None:
        self.path, self._frames = path, frames
        self.shape, self.dtype, self.pixel_nm, self.axes = frames.shape, frames.dtype, frames.pixel_nm, frames.axes

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Frames `start` to `stop` (exclusive; the end if none), (T, Y, X) in the file's dtype and native byte order.

        Raises:
            InputError: the range does not lie in the movie, or the file cannot be decoded there.
        """
        stop = self.shape[0] if stop is None else stop
        if not 0 <= start < stop <= self.shape[0]:
            raise InputError(f"{self.path}: frames {start} to {stop} were asked for, but it has 0 to {self.shape[0]}")
        try:
            frames = self._frames.decode(start, stop)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{self.path}: frames {start} to {stop - 1} cannot be decoded ({error}); "
                "the file may be truncated or compressed: save it again as an uncompressed TIFF"
            ) from error
        return frames.astype(self.dtype, copy=False).reshape(stop - start, *self.shape[1:])  # (T, Y, X)

    def array(self, most_bytes: int = MOST_BYTES) -> NDArray[Any]:
        """All frames, (T, Y, X): in memory, or mapped from disk where they would take more than `most_bytes`.

        A file that does not hold its pixels in one piece is copied into a temporary one, which goes with the array.

        Raises:
            InputError: the file cannot be decoded somewhere.
        """
        if int(np.prod(self.shape)) * self.dtype.itemsize <= most_bytes:
            return self.read()
        try:
            return self._frames.mapped()
        except ValueError:
            return self._spilled()

    def __getitem__(self, frames: slice) -> NDArray[Any]:
        start, stop, _ = frames.indices(self.shape[0])
        return self.read(start, stop)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """The frames one by one, each (Y, X)."""
        return (self.read(index, index + 1)[0] for index in range(self.shape[0]))

    def close(self) -> None:
        """Close the file."""
        self._frames.close()

    def __enter__(self) -> Movie:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _spilled(self) -> NDArray[Any]:
        with tempfile.TemporaryFile() as file:
            copy = np.memmap(file, self.dtype, "w+", 0, self.shape)  # lives on without a name
        start = 0
        for piece in pieces(self):
            copy[start : start + len(piece)] = piece
            start += len(piece)
        return copy


def open_movie(path: str | Path) -> Movie:
    """Open a movie: a TIFF file, a folder of TIFF files, a .dax or a Picasso .raw file.

    Raises:
        InputError: there is no such file, it is empty or of another kind, its pixels are of a kind that is not read, or
            it has more than one stack axis.
    """
    if Path(path).is_dir():
        return Movie(Path(path), FolderFrames(Path(path)))
    file = present(path, "movie")
    return Movie(file, _SOURCES.get(file.suffix.lower(), TiffFrames)(file))


def write_movie(path: str | Path, frames: NDArray[Any], pixel_nm: float, info: str = "") -> None:
    """Write frames (T, Y, X) of uint8, uint16 or float32 as an ImageJ stack that knows its pixel size.

    Raises:
        InputError: ImageJ has no such pixels.
    """
    write_imagej(path, frames, pixel_nm, info)
