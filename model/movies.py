"""Movies in TIFF files, read frame by frame: the one door to tifffile.

TIFF, BigTIFF, OME-TIFF and ImageJ stacks come in with 8, 16 or 32-bit integer or 32-bit float pixels. A file's only
stack axis is time whatever its tag says, because real movies are tagged Z, I or Q as often as T. A pixel size is taken
from ImageJ or OME metadata if it is a size at all: many programs write 0 or 4294967295 where they know none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from model.errors import InputError

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
"""Kinds of pixels that can be read."""
_NM_PER_UNIT = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "\\u00B5m": 1e3, "micron": 1e3, "microns": 1e3, "mm": 1e6}
_PLAUSIBLE_NM = (1.0, 10_000.0)


class Movie:
    """An open movie; frames are decoded when they are asked for. A context manager.

    Attributes:
        path: the file.
        shape: (T, Y, X).
        dtype: kind of the pixels.
        pixel_nm: edge of a pixel in the sample by the file's own metadata, nm; none where the file does not know it.
    """

    def __init__(self, path: Path, file: Any) -> None:
        self.path = path
        self._file = file
        self._series = file.series[0]
        self.shape = _time_height_width(path, self._series)
        self.dtype = np.dtype(self._series.dtype.newbyteorder("="))
        self.pixel_nm = _pixel_nm(file)

    def read(self, start: int = 0, stop: int | None = None) -> NDArray[Any]:
        """Frames `start` to `stop` (exclusive; the end if none), (T, Y, X) in the file's dtype and native byte order.

        Raises:
            InputError: the range does not lie in the movie, or the file cannot be decoded there.
        """
        stop = self.shape[0] if stop is None else stop
        if not 0 <= start < stop <= self.shape[0]:
            raise InputError(f"{self.path}: frames {start} to {stop} were asked for, but it has 0 to {self.shape[0]}")
        try:
            frames = self._decode(start, stop)
        except Exception as error:
            raise InputError(
                f"{self.path}: frames {start} to {stop - 1} cannot be decoded ({error}); "
                "the file may be truncated or compressed: save it again as an uncompressed TIFF"
            ) from error
        return frames.astype(self.dtype, copy=False).reshape(stop - start, *self.shape[1:])  # (T, Y, X)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """The frames one by one, each (Y, X)."""
        return (self.read(index, index + 1)[0] for index in range(self.shape[0]))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Movie:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _decode(self, start: int, stop: int) -> NDArray[Any]:
        if len(self._series.pages) != self.shape[0]:
            return np.asarray(self._contiguous()[start:stop])
        frames = np.empty((stop - start, *self.shape[1:]), self.dtype)  # (T, Y, X)
        for index, frame in enumerate(frames, start):
            frame[...] = self._series.pages[index].asarray().reshape(frame.shape)
        return frames

    def _contiguous(self) -> NDArray[Any]:
        """The pixels of a stack that lies in one piece behind its first page, as ImageJ writes those above 4 GB."""
        if self._series.dataoffset is None:
            raise ValueError(f"{len(self._series.pages)} pages hold {self.shape[0]} frames, and not in one piece")
        stored = self._series.dtype.newbyteorder(self._file.byteorder)
        return np.memmap(self.path, stored, "r", self._series.dataoffset, self.shape)


def open_movie(path: str | Path) -> Movie:
    """Open a TIFF movie.

    Raises:
        InputError: there is no such file, it is empty or no TIFF, its pixels are of a kind that is not read, or it has
            more than one stack axis.
    """
    file = present(path, "movie")
    try:
        tiff = tifffile.TiffFile(file)
    except Exception as error:
        raise InputError(
            f"{file} is not a TIFF file ({error}); give a TIFF, BigTIFF, OME-TIFF or ImageJ stack"
        ) from error
    try:
        return Movie(file, tiff)
    except Exception as error:
        tiff.close()
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file}: its TIFF structure cannot be understood ({error}); save it again") from error


def write_movie(path: str | Path, frames: NDArray[Any], pixel_nm: float) -> None:
    """Write frames (T, Y, X) of uint8, uint16 or float32 as an ImageJ stack that knows its pixel size.

    Raises:
        InputError: ImageJ has no such pixels.
    """
    if frames.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(
            f"an ImageJ stack holds uint8, uint16 or float32, not {frames.dtype}; convert the frames first"
        )
    per_um = 1000.0 / pixel_nm
    tifffile.imwrite(
        path, frames, imagej=True, resolution=(per_um, per_um), metadata={"axes": "TYX", "unit": "um"}, software=False
    )


def present(path: str | Path, what: str) -> Path:
    """The path of a file that exists and holds something; else an InputError that says what is missing."""
    file = Path(path)
    if not file.exists():
        raise InputError(f"the {what} {file} does not exist; check the path")
    if not file.is_file():
        raise InputError(f"the {what} {file} is not a file; give the path of one file")
    if file.stat().st_size == 0:
        raise InputError(f"the {what} {file} is empty (0 bytes); copy or export it again")
    return file


def _time_height_width(path: Path, series: Any) -> tuple[int, int, int]:
    if str(series.dtype) not in DTYPES:
        raise InputError(f"{path}: its pixels are {series.dtype}; expected one of {', '.join(DTYPES)}: convert it")
    sizes = dict(zip(series.axes, series.shape, strict=True))
    if not {"Y", "X"} <= sizes.keys():
        raise InputError(f"{path}: its axes are {series.axes}; expected a stack of images with Y and X")
    height, width = sizes.pop("Y"), sizes.pop("X")
    stacks = {axis: size for axis, size in sizes.items() if size > 1}
    if len(stacks) > 1 or "S" in stacks:
        found = ", ".join(f"{axis} ({size})" for axis, size in stacks.items())
        raise InputError(
            f"{path}: it has the axes {found} beside Y and X; expected time alone: save one channel and plane"
        )
    return next(iter(stacks.values()), 1), height, width


def _pixel_nm(file: Any) -> float | None:
    size = _ome_pixel_nm(file.ome_metadata) if file.is_ome else _imagej_pixel_nm(file) if file.is_imagej else None
    return size if size is not None and _PLAUSIBLE_NM[0] <= size <= _PLAUSIBLE_NM[1] else None


def _imagej_pixel_nm(file: Any) -> float | None:
    nm = _NM_PER_UNIT.get(str((file.imagej_metadata or {}).get("unit")))
    resolution = file.pages[0].tags.valueof("XResolution", (0, 1))
    pixels, units = resolution if isinstance(resolution, tuple) else (resolution, 1)
    return nm * units / pixels if nm and pixels else None


def _ome_pixel_nm(metadata: str) -> float | None:
    pixels = next((node for node in ElementTree.fromstring(metadata).iter() if node.tag.endswith("Pixels")), None)
    if pixels is None or "PhysicalSizeX" not in pixels.attrib:
        return None
    nm = _NM_PER_UNIT.get(pixels.get("PhysicalSizeXUnit", "µm"))
    return nm * float(pixels.attrib["PhysicalSizeX"]) if nm else None
