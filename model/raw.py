"""Movies as bare pixels beside a small file that tells their size: DAX with .inf, and Picasso's .raw with .yaml."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.picasso import descriptions
from model.tiff import DTYPES


class RawFrames:
    """Frames of a file that holds nothing else, mapped from disk."""

    axes = "TYX"

    def __init__(self, path: Path, stored: np.dtype[Any], shape: tuple[int, int, int], pixel_nm: float | None) -> None:
        """Map the file.

        Raises:
            InputError: it is shorter or longer than so many frames, or they cannot be what a movie has.
        """
        if min(shape) < 1 or str(stored.newbyteorder("=")) not in DTYPES:
            raise InputError(
                f"{path}: its description tells {shape[0]} frames of {shape[2]} × {shape[1]} px of {stored}; expected "
                f"at least 1 of each, of {', '.join(DTYPES)}: export it again"
            )
        needed, found = int(np.prod(shape)) * stored.itemsize, path.stat().st_size
        if needed != found:
            raise InputError(
                f"{path}: it has {found} bytes, but {shape[0]} frames of {shape[2]} × {shape[1]} px of {stored} have "
                f"{needed}; it is truncated, or belongs to another description: copy both files again"
            )
        self.path, self.shape, self.pixel_nm = path, shape, pixel_nm
        self.dtype = stored.newbyteorder("=")
        self._pixels = np.memmap(path, stored, "r", 0, shape)

    def decode(self, start: int, stop: int) -> NDArray[Any]:
        """Frames `start` to `stop` (exclusive), (T, Y, X)."""
        return np.asarray(self._pixels[start:stop])

    def mapped(self) -> NDArray[Any]:
        """The pixels, in the file's byte order."""
        return self._pixels

    def close(self) -> None:
        """Nothing is held open but the map, which goes with its last user."""


def dax_frames(path: Path) -> RawFrames:
    """A DAX movie of the Zhuang laboratory; its .inf lies beside it."""
    inf = _beside(path, ".inf").read_text("utf-8", "replace")
    width, height = (int(size) for size in _told(path, inf, r"frame dimensions\s*=\s*(\d+)\s*x\s*(\d+)"))
    (frames,) = _told(path, inf, r"number of frames\s*=\s*(\d+)")
    little = re.search(r"data type\s*=.*little endian", inf) is not None
    return RawFrames(path, np.dtype("<u2" if little else ">u2"), (int(frames), height, width), None)


def picasso_frames(path: Path) -> RawFrames:
    """A movie as Picasso writes it; its .yaml lies beside it."""
    told = descriptions(_beside(path, ".yaml"))[0]
    try:
        stored = np.dtype(str(told["Data Type"])).newbyteorder(">" if told.get("Byte Order") == ">" else "<")
        shape = (int(told["Frames"]), int(told["Height"]), int(told["Width"]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: its .yaml does not tell Frames, Height, Width and Data Type ({error!r}); export it again"
        ) from error
    pixel_nm = told.get("Pixelsize", told.get("Camera.Pixelsize"))
    return RawFrames(path, stored, shape, float(pixel_nm) if isinstance(pixel_nm, int | float) else None)


def _beside(path: Path, suffix: str) -> Path:
    file = path.with_suffix(suffix)
    if not file.is_file():
        raise InputError(f"{path}: the file {file.name} that describes it is missing; copy it beside the movie")
    return file


def _told(path: Path, text: str, pattern: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    if match is None:
        what = pattern.split(r"\s", maxsplit=1)[0]
        raise InputError(f"{path}: its .inf does not tell the {what}; export it again")
    return match.groups()
