"""A folder of TIFF files, most often one frame each, as the frames of one movie."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.files import present
from model.tiff import TiffFrames

_TIFF_SUFFIXES = (".tif", ".tiff")


class FolderFrames:
    """The TIFF files of a folder, one after the other in the natural order of their names (2 before 10)."""

    def __init__(self, folder: Path) -> None:
        """Look at the folder and its first file.

        Raises:
            InputError: it has no TIFF file, or the first one cannot be used.
        """
        self.files = frames_in(folder)
        if not self.files:
            raise InputError(f"the folder {folder} holds no .tif or .tiff file; give a folder of frames, or one file")
        first = TiffFrames(present(self.files[0], "frame"))
        first.close()
        self.dtype, self.pixel_nm, self.axes = first.dtype, first.pixel_nm, first.axes
        self._each = first.shape[0]
        self.shape = (self._each * len(self.files), *first.shape[1:])

    def decode(self, start: int, stop: int) -> NDArray[Any]:
        """Frames `start` to `stop` (exclusive), (T, Y, X)."""
        first, last = start // self._each, (stop - 1) // self._each
        frames = np.concatenate([self._file(file) for file in self.files[first : last + 1]])
        return frames[start - first * self._each : stop - first * self._each]

    def mapped(self) -> NDArray[Any]:
        """They lie in many files."""
        raise ValueError(f"the frames lie in {len(self.files)} files")

    def close(self) -> None:
        """Files are open only while they are read."""

    def _file(self, file: Path) -> NDArray[Any]:
        frames = TiffFrames(present(file, "frame"))
        try:
            expected = (self._each, *self.shape[1:])
            if (frames.shape, frames.dtype) != (expected, self.dtype):
                raise InputError(
                    f"{file}: it is {frames.shape} of {frames.dtype}, but the first file of its folder, "
                    f"{self.files[0].name}, is {expected} of {self.dtype}; keep the frames of one movie alone in a "
                    "folder"
                )
            return frames.decode(0, self._each)
        finally:
            frames.close()


def frames_in(folder: Path) -> list[Path]:
    """The TIFF files of a folder in the natural order of their names."""
    return sorted((file for file in folder.iterdir() if file.suffix.lower() in _TIFF_SUFFIXES), key=_natural)


def _natural(file: Path) -> list[tuple[int, str]]:
    return [(int(digits or 0), text) for digits, text in re.findall(r"(\d+)|(\D+)", file.stem)]
