"""Many overlapping Gaussian images at once: light from emitters onto pixels, and what pixels say back to emitters.

Each emitter has a square window of pixels around the one where it was first seen, (N, W W). What it adds to a pixel,
and how that changes with x, y and photons, are products of two short vectors, one along each axis (Smith et al. 2010).
`spread` sums over emitters, `gather` hands pixels back to each; no loop runs over emitters.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from model.emitters import Emitters
from model.psf import pixel_shares

Floats = NDArray[np.float64]
Shape = tuple[int, int, int]

REACH_SIGMA = 3.0
"""Half width of a window, sigma, beside one pixel in which its emitter may move."""


class Windows(NamedTuple):
    """The pixels around N emitters, as numbers in a padded movie laid out in one line."""

    pixels: NDArray[np.int64]  # (N, W W)
    column: Floats  # (N,)
    """Left edge of the middle pixel."""
    line: Floats  # (N,)
    """Top edge of the middle pixel."""
    reach: int
    """Pixels to either side of the middle one."""
    padded: Shape
    """(T, Y + 2 reach, X + 2 reach)."""

    @classmethod
    def around(cls, emitters: Emitters, shape: Shape, sigma_px: float) -> Windows:
        """Windows in which emitters can move by a pixel; they lie within a movie of shape (T, Y, X)."""
        return cls.of(emitters, shape, math.ceil(REACH_SIGMA * sigma_px) + 1)

    @classmethod
    def of(cls, emitters: Emitters, shape: Shape, reach: int) -> Windows:
        """Windows that reach so many pixels to either side."""
        frames, height, width = shape
        padded = (frames, height + 2 * reach, width + 2 * reach)
        column, line = np.floor(emitters.x_px), np.floor(emitters.y_px)
        along = np.arange(2 * reach + 1)
        corner = (emitters.frame * padded[1] + line.astype(np.int64)) * padded[2] + column.astype(np.int64)
        return cls(corner[:, None] + (along[:, None] * padded[2] + along).ravel(), column, line, reach, padded)

    def spread(self, light: Floats) -> Floats:
        """The movie (T, Y, X) that windows of light (N, W W) add up to; what falls outside of it is lost."""
        image = np.bincount(self.pixels.ravel(), light.ravel(), int(np.prod(self.padded))).reshape(self.padded)
        return np.asarray(image[:, self.reach : -self.reach, self.reach : -self.reach], np.float64)

    def gather(self, movie: Floats) -> Floats:
        """The pixels (N, W W) of a movie (T, Y, X) around each emitter; 0 outside of it."""
        aside = (self.reach, self.reach)
        return np.pad(movie, ((0, 0), aside, aside)).ravel()[self.pixels]

    def shares(self, x_px: Floats, y_px: Floats, sigma_px: float) -> Shares:
        """What one photon at positions (N,) adds to the pixels of each window."""
        x, by_x = self._along(x_px - self.column, sigma_px)
        y, by_y = self._along(y_px - self.line, sigma_px)
        return Shares(*(_outer(*pair) for pair in ((y, x), (y, by_x), (by_y, x))))

    def light(self, x_px: Floats, y_px: Floats, sigma_px: float) -> Floats:
        """What one photon at positions (N,) within the middle pixels adds to each window, (N, W W)."""
        columns = pixel_shares(x_px, sigma_px, self.reach)
        return _outer(pixel_shares(y_px, sigma_px, self.reach), columns)

    def _along(self, inside_px: Floats, sigma_px: float) -> tuple[Floats, Floats]:
        edges = (np.arange(-self.reach, self.reach + 2) - inside_px[:, None]) / sigma_px  # (N, W + 1)
        density = np.exp(-0.5 * edges**2) / (sigma_px * math.sqrt(2 * math.pi))
        return np.diff(0.5 * erf(edges / math.sqrt(2.0)), axis=1), -np.diff(density, axis=1)


class Shares(NamedTuple):
    """What one photon of each emitter adds to the pixels of its window, and how that changes with its position."""

    light: Floats  # (N, W W)
    by_x: Floats  # (N, W W)
    """Per px."""
    by_y: Floats  # (N, W W)

    def slopes(self, photons: Floats) -> Floats:
        """Change of the window's light with x, y and photons, (3, N, W W)."""
        return np.stack([photons[:, None] * self.by_x, photons[:, None] * self.by_y, self.light])


def _outer(lines: Floats, columns: Floats) -> Floats:
    return (lines[:, :, None] * columns[:, None, :]).reshape(len(lines), lines.shape[1] * columns.shape[1])
