"""Localisations as a table of another program states them, whatever its dialect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.emitters import Emitters

Floats = NDArray[np.float64]

_PER_ROW = ("frame", "x_nm", "y_nm", "photons", "background", "sigma_x_nm", "sigma_y_nm", "z_nm")


def are_whole(numbers: Floats) -> NDArray[np.bool_]:
    """Which numbers (N,) are whole, and small enough that a float holds each exactly."""
    return np.asarray((np.abs(numbers) < 2**53) & (numbers == np.floor(numbers)))


class Table(NamedTuple):
    """Localisations as a file states them, N rows sorted by frame; a column that it does not have is NaN throughout."""

    frame: NDArray[np.int64]  # (N,)
    """Frame, from 0 whatever the file counts from."""
    x_nm: Floats  # (N,)
    y_nm: Floats  # (N,)
    photons: Floats  # (N,)
    background: Floats  # (N,)
    """Photons per px."""
    sigma_x_nm: Floats  # (N,)
    sigma_y_nm: Floats  # (N,)
    z_nm: Floats  # (N,)
    origin_px: float
    """Where x = y = 0 lies, px from the left and top edge of pixel 0."""
    extent_nm: tuple[float, float] | None
    """Largest x and y that the file says the field has: the centres of the last column and line."""
    pixel_nm: float | None = None
    """Of a table whose positions are in px: with which its columns in nm were made of them."""

    name: str = "the table"
    """What an error calls it."""

    def select(self, rows: NDArray[Any]) -> Table:
        """Rows that a boolean mask (N,) or an index array names."""
        return self._replace(**{name: getattr(self, name)[rows] for name in _PER_ROW})

    @classmethod
    def united(cls, parts: Sequence[Table]) -> Table:
        """The rows of tables of one origin, sorted by frame."""
        columns: Any = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _PER_ROW}
        return parts[0]._replace(**columns).select(np.argsort(columns["frame"], kind="stable"))

    def own_pixel_nm(self, height: int, width: int, pixel_nm: float) -> float:
        """Pixel size with which the positions were made, where the file's field tells; else `pixel_nm`.

        Positions that are px in the file stay so whatever `pixel_nm`. A field that fits the movie's `width` and
        `height` to within 2 % of `pixel_nm` is believed; another one belongs to a larger movie from which this one was
        cut.
        """
        if self.pixel_nm is not None:
            return self.pixel_nm
        if self.extent_nm is None or min(height, width) < 2:
            return pixel_nm
        sizes = (self.extent_nm[0] / (width - 1), self.extent_nm[1] / (height - 1))
        return sizes[0] if all(abs(size / pixel_nm - 1.0) <= 0.02 for size in sizes) else pixel_nm

    def emitters(self, pixel_nm: float) -> Emitters:
        """The same rows in px, with photons as far as they are known and no SNR yet."""
        x_px, y_px = self.x_nm / pixel_nm + self.origin_px, self.y_nm / pixel_nm + self.origin_px
        return Emitters.of(self.frame, x_px, y_px, self.photons, z_nm=self.z_nm)
