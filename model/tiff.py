"""TIFF files as frames: the one door to tifffile.

TIFF, BigTIFF, OME-TIFF and ImageJ stacks with 8, 16 or 32-bit integer or 32-bit float pixels. A file's only stack axis
is time whatever its tag says, because real movies are tagged Z, I or Q as often as T. A pixel size is taken from
ImageJ, OME or Micro-Manager metadata or the resolution tags if it is a size at all: many programs write 0 or 4294967295
where they know none.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

import numpy as np
import tifffile
from numpy.typing import NDArray

from model.errors import InputError
from model.tiff_chain import check_chain

DTYPES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "float32")
"""Kinds of pixels that can be read."""
_NM_PER_UNIT = {"nm": 1.0, "um": 1e3, "µm": 1e3, "μm": 1e3, "\\u00B5m": 1e3, "micron": 1e3, "microns": 1e3, "mm": 1e6}
_NM_PER_RESOLUTION_UNIT = {3: 1e7}
_PLAUSIBLE_NM = (1.0, 10_000.0)


class TiffFrames:
    """The frames of one TIFF file; they are decoded when they are asked for."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            InputError: it is no TIFF or broken, its pixels are of a kind that is not read, or it has more than one
                stack axis.
        """
        self.path = path
        self._handle = path.open("rb")
        try:
            check_chain(path, self._handle)
            with _quiet():
                self._file = _tiff(path, self._handle)
                self._understand()
        except Exception as error:
            self._handle.close()
            if isinstance(error, InputError):
                raise
            said = " ".join(str(error).split())
            raise InputError(f"{path}: its TIFF structure cannot be understood ({said}); save it again") from error

    def decode(self, start: int, stop: int) -> NDArray[Any]:
        """Frames `start` to `stop` (exclusive), (T, Y, X)."""
        with _quiet():
            if len(self._series.pages) != self.shape[0]:
                return np.asarray(self.mapped()[start:stop])
            frames = np.empty((stop - start, *self.shape[1:]), self.dtype)  # (T, Y, X)
            for index, frame in enumerate(frames, start):
                frame[...] = self._series.pages[index].asarray().reshape(frame.shape)
            return frames

    def mapped(self) -> NDArray[Any]:
        """The pixels mapped from a file that holds them in one piece, as ImageJ writes stacks above 4 GB.

        Raises:
            ValueError: they lie in many pieces, or are compressed.
        """
        if self._series.dataoffset is None:
            raise ValueError(f"{len(self._series.pages)} pages hold {self.shape[0]} frames, and not in one piece")
        stored = self._series.dtype.newbyteorder(self._file.byteorder)
        return np.memmap(self.path, stored, "r", self._series.dataoffset, self.shape)

    def close(self) -> None:
        """Close the file."""
        self._handle.close()

    def _understand(self) -> None:
        self._series = self._file.series[0]
        if len(self._file.series) > 1 and not self._file.is_ome:
            found = ", ".join(str(series.shape) for series in self._file.series[:3])
            raise InputError(f"{self.path}: its pages differ in size or kind ({found}); save frames of one size alone")
        self.axes = self._series.axes
        self.shape = _time_height_width(self.path, self._series)
        self.dtype = np.dtype(self._series.dtype.newbyteorder("="))
        self.pixel_nm = _pixel_nm(self._file)


def write_imagej(path: str | Path, frames: NDArray[Any], pixel_nm: float, info: str = "") -> None:
    """Write frames (T, Y, X) as an ImageJ stack that knows its pixel size; `info` is what ImageJ shows as such.

    Raises:
        InputError: ImageJ has no such pixels.
    """
    if frames.dtype not in (np.uint8, np.uint16, np.float32):
        raise InputError(
            f"an ImageJ stack holds uint8, uint16 or float32, not {frames.dtype}; convert the frames first"
        )
    per_um = 1000.0 / pixel_nm
    metadata = {"axes": "TYX", "unit": "um"} | ({"Info": info} if info else {})
    tifffile.imwrite(path, frames, imagej=True, resolution=(per_um, per_um), metadata=metadata, software=False)


def create_channels(path: Path, shape: tuple[int, ...], names: Sequence[str], pixel_nm: float) -> None:
    """Create a float32 OME-TIFF (T, C, Y, X) of zeros in one piece, with names for the channels, to be filled later."""
    size = {"PhysicalSizeX": pixel_nm, "PhysicalSizeXUnit": "nm", "PhysicalSizeY": pixel_nm, "PhysicalSizeYUnit": "nm"}
    metadata = {"axes": "TCYX", "Channel": {"Name": list(names)}, **size}
    tifffile.imwrite(
        path, shape=shape, dtype="<f4", ome=True, bigtiff=True, metadata=metadata, photometric="minisblack"
    )


def channels_offset(path: Path) -> int:
    """Where in such a file the first pixel lies, bytes."""
    with tifffile.TiffFile(path) as file:
        return int(file.series[0].dataoffset)


def _tiff(path: Path, handle: BinaryIO) -> Any:
    try:
        return tifffile.TiffFile(handle)
    except Exception as error:
        raise InputError(
            f"{path} is not a TIFF file ({error}); give a TIFF, BigTIFF, OME-TIFF or ImageJ stack"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the screen what tifffile says of a file; what matters of it becomes an error."""
    logger = logging.getLogger("tifffile")
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled


def _time_height_width(path: Path, series: Any) -> tuple[int, int, int]:
    if str(series.dtype) not in DTYPES:
        raise InputError(f"{path}: its pixels are {series.dtype}; expected one of {', '.join(DTYPES)}: convert it")
    sizes = dict(zip(series.axes, series.shape, strict=True))
    if not {"Y", "X"} <= sizes.keys():
        raise InputError(f"{path}: its axes are {series.axes}; expected a stack of images with Y and X")
    height, width = sizes.pop("Y"), sizes.pop("X")
    stacks = {axis: size for axis, size in sizes.items() if size > 1}
    if "S" in stacks:
        raise InputError(f"{path}: it is a colour image of {stacks['S']} samples per pixel; save one channel as grey")
    if len(stacks) > 1:
        found = ", ".join(f"{axis} ({size})" for axis, size in stacks.items())
        raise InputError(
            f"{path}: it has the axes {found} beside Y and X; expected time alone: save one channel and plane"
        )
    return next(iter(stacks.values()), 1), height, width


def _pixel_nm(file: Any) -> float | None:
    sizes = (read(file) for read in (_ome_pixel_nm, _micromanager_pixel_nm, _imagej_pixel_nm, _resolution_nm))
    return next((size for size in sizes if size and _PLAUSIBLE_NM[0] <= size <= _PLAUSIBLE_NM[1]), None)


def _imagej_pixel_nm(file: Any) -> float | None:
    nm = _NM_PER_UNIT.get(str((file.imagej_metadata or {}).get("unit"))) if file.is_imagej else None
    return _resolved(file, nm)


def _resolution_nm(file: Any) -> float | None:
    """By the resolution tags; only those in cm, since printers' 72 per inch is what programs write by default."""
    unit = 0 if file.is_imagej else int(file.pages[0].tags.valueof("ResolutionUnit", 0))
    return _resolved(file, _NM_PER_RESOLUTION_UNIT.get(unit))


def _resolved(file: Any, nm_per_unit: float | None) -> float | None:
    resolution = file.pages[0].tags.valueof("XResolution", (0, 1))
    pixels, units = resolution if isinstance(resolution, tuple) else (resolution, 1)
    return nm_per_unit * units / pixels if nm_per_unit and pixels else None


def _micromanager_pixel_nm(file: Any) -> float | None:
    summary = (file.micromanager_metadata or {}).get("Summary", {}) if file.is_micromanager else {}
    size = summary.get("PixelSize_um", summary.get("PixelSizeUm"))
    return float(size) * 1e3 if isinstance(size, int | float) else None


def _ome_pixel_nm(file: Any) -> float | None:
    if not file.is_ome:
        return None
    nodes = ElementTree.fromstring(file.ome_metadata).iter()
    pixels = next((node for node in nodes if node.tag.endswith("Pixels")), None)
    if pixels is None or "PhysicalSizeX" not in pixels.attrib:
        return None
    nm = _NM_PER_UNIT.get(pixels.get("PhysicalSizeXUnit", "µm"))
    return nm * float(pixels.attrib["PhysicalSizeX"]) if nm else None
