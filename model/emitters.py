"""Emitters and labelled movies: the two values that every other part of the science passes around.

An emitter row says that a point source shines in one frame: a molecule that stays on for three frames has three rows.
Rows are sorted by frame. Positions are in px with 0 at the left or top edge of pixel 0, so that `floor` names the
pixel and a pixel's centre is at +0.5. What is not known is NaN (`photons`, `z_nm`) or infinite (`snr`: taken as
reliable).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


class Emitters(NamedTuple):
    """Point sources, one row for each frame in which they shine; N rows, sorted by frame."""

    frame: NDArray[np.int64]  # (N,)
    """Frame, from 0."""
    x_px: Floats  # (N,)
    """Distance from the left edge of the movie, px."""
    y_px: Floats  # (N,)
    """Distance from the top edge of the movie, px."""
    photons: Floats  # (N,)
    """Photons emitted towards the camera in that frame; NaN where unknown."""
    snr: Floats  # (N,)
    """Signal to noise of the central pixel, see `model.curation`; infinite where unknown."""
    z_nm: Floats  # (N,)
    """Depth, nm, from where the microscope focuses; NaN where unknown."""

    @classmethod
    def of(  # noqa: PLR0913, PLR0917 (one for each column)
        cls,
        frame: ArrayLike,
        x_px: ArrayLike,
        y_px: ArrayLike,
        photons: ArrayLike = np.nan,
        snr: ArrayLike = np.inf,
        z_nm: ArrayLike = np.nan,
    ) -> Emitters:
        """Emitters from columns in any order of frames; rows of one frame keep their order. Scalars are repeated."""
        frames = np.atleast_1d(np.asarray(frame, np.int64))  # (N,)
        order = np.argsort(frames, kind="stable")

        def column(values: ArrayLike) -> Floats:
            return np.broadcast_to(np.asarray(values, np.float64), frames.shape)[order]

        return cls(frames[order], column(x_px), column(y_px), column(photons), column(snr), column(z_nm))

    @classmethod
    def none(cls) -> Emitters:
        """No rows at all."""
        return cls.of([], [], [])

    @property
    def rows(self) -> int:
        """Number of rows; `len` would count the columns."""
        return len(self.frame)

    def of_frame(self, index: int) -> Emitters:
        """Rows of one frame."""
        start, stop = np.searchsorted(self.frame, (index, index + 1))
        return self.select(slice(start, stop))

    def select(self, rows: NDArray[Any] | slice) -> Emitters:
        """Rows for which a boolean mask (N,) holds, or that a slice or an ascending index array names."""
        frame, *columns = self
        return Emitters(frame[rows], *(column[rows] for column in columns))

    def shifted(self, *, frames: int = 0, x_px: float = 0.0, y_px: float = 0.0) -> Emitters:
        """The same rows, moved in time and in the plane."""
        return self._replace(frame=self.frame + frames, x_px=self.x_px + x_px, y_px=self.y_px + y_px)

    def inside(self, shape: tuple[int, int, int]) -> NDArray[np.bool_]:
        """Mask (N,) of the rows that fall within a movie of shape (T, Y, X)."""
        frames, height, width = shape
        in_time = (self.frame >= 0) & (self.frame < frames)
        in_field = (self.x_px >= 0) & (self.x_px < width) & (self.y_px >= 0) & (self.y_px < height)
        return np.asarray(in_time & in_field)


class LabelledMovie(NamedTuple):
    """A movie and the emitters that shine in it."""

    frames: NDArray[Any]  # (T, Y, X)
    """Camera counts: uint16, or the dtype of the file that they were read from."""
    emitters: Emitters
    pixel_nm: float
    """Edge of a pixel in the sample, nm."""
