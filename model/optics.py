"""How wide a point looks: from the depth of an emitter to the standard deviations of its image, px.

In focus the image is a Gaussian. Out of focus it widens; with a cylindrical lens its two widths part, so that their
ratio tells the depth (Huang et al. 2008). What an objective's rings carry away from the Gaussian, the halo, is a
second Gaussian around the first.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

Floats = NDArray[np.float64]

HALO_WIDTH = 2.5
"""Standard deviation of the halo over that of the Gaussian in focus."""


class Axis(NamedTuple):
    """Defocus along one axis: `sigma(z) = s0 sqrt(1 + u² + A u³ + B u⁴)` with `u = (z − c) / d`."""

    scale: float
    """s0 over the width in focus of the point spread function."""
    focus_nm: float
    """c, the depth at which the axis is sharpest."""
    depth_nm: float
    """d, the distance from there at which it is √2 wide."""
    cubic: float
    quartic: float

    def widening(self, z_nm: Floats) -> Floats:
        """sigma(z) over the width in focus; same shape."""
        u = (z_nm - self.focus_nm) / self.depth_nm
        return np.asarray(self.scale * np.sqrt(1.0 + u * u * (1.0 + u * (self.cubic + u * self.quartic))))

    def stretched(self, factor: float) -> Axis:
        """With all depths so many times as large."""
        return self._replace(focus_nm=self.focus_nm * factor, depth_nm=self.depth_nm * factor)


Axes = tuple[Axis, Axis]
"""x and y."""

PLAIN: Axes = (Axis(1.0, 0.0, 400.0, 0.0, 0.0),) * 2
"""Both axes of a round point spread function; √2 wider 400 nm from focus, as with an oil objective."""
ASTIGMATIC: Axes = (Axis(140.0 / 137.5, 205.0, 290.0, 0.05, 0.03), Axis(135.0 / 137.5, -205.0, 290.0, -0.01, 0.02))
"""x and y of a calibrated 3D microscope with s0 140 and 135 nm, here over their mean of 137.5 nm."""


class Optics(NamedTuple):
    """One microscope's point spread function."""

    sigma_px: float
    """Standard deviation in focus; of the mean of both axes where they differ."""
    axes: Axes = PLAIN
    halo: float = 0.0
    """Share of the light in the halo."""

    @property
    def halo_px(self) -> float:
        """Standard deviation by which the image is blurred once more to give the halo."""
        return self.sigma_px * math.sqrt(HALO_WIDTH**2 - 1.0)

    def widths(self, z_nm: Floats) -> Widths:
        """Standard deviations at depths (N,)."""
        return Widths(*(self.sigma_px * axis.widening(z_nm) for axis in self.axes))

    def central_share(self, widths: Widths) -> Floats:
        """f0, the share of the light on the central pixel of an emitter at that pixel's centre, (N,)."""
        sharp = central_share(*widths)
        return (1.0 - self.halo) * sharp + self.halo * central_share(*self.blurred(widths))

    def blurred(self, widths: Widths) -> Widths:
        """Standard deviations of the halos around emitters of these widths."""
        return Widths(*(np.hypot(sigma, self.halo_px) for sigma in widths))


class Widths(NamedTuple):
    """Standard deviations of N images, px."""

    x_px: Floats  # (N,)
    y_px: Floats  # (N,)

    def select(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Widths:
        """Those of some rows."""
        return Widths(self.x_px[rows], self.y_px[rows])


def central_share(sigma_x_px: float | Floats, sigma_y_px: float | Floats) -> Floats:
    """Share of a Gaussian's light on the central pixel of an emitter at that pixel's centre: 0.125 at 1.09 px."""
    half = 1.0 / (2.0 * math.sqrt(2.0))
    return np.asarray(erf(half / np.asarray(sigma_x_px)) * erf(half / np.asarray(sigma_y_px)))
