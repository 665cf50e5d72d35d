"""The image of a point: an integrated Gaussian, from emitter rows to expected photons in each pixel.

The Gaussian is separable, so each row needs two short vectors, the shares of its light in the columns and in the rows
of pixels around it. A window reaches four sigma to either side; what lies beyond (6 in 100,000) is left out.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from model.emitters import Emitters

Floats = NDArray[np.float64]

REACH_SIGMA = 4.0
"""Half width of a rendered window, sigma."""
_ROWS_AT_ONCE = 1 << 15


def reach_px(sigma_px: float) -> int:
    """Pixels to either side of an emitter's own pixel that receive its light."""
    return math.ceil(REACH_SIGMA * sigma_px)


def pixel_shares(position_px: Floats, sigma_px: float | Floats, reach: int) -> Floats:
    """Share of a Gaussian's light in each pixel of one axis around its own pixel (Smith et al. 2010, equation 4).

    Args:
        position_px: centres (N,).
        sigma_px: standard deviation, one for all or (N,).
        reach: pixels to either side of the own one.

    Returns:
        (N, 2 reach + 1); index `reach` is the pixel that holds the centre.
    """
    inside = (position_px - np.floor(position_px))[:, None]  # (N, 1)
    edges = np.arange(-reach, reach + 2) - inside  # (N, 2 reach + 2)
    return np.diff(0.5 * erf(edges / (math.sqrt(2.0) * np.reshape(sigma_px, (-1, 1)))), axis=1)


def own_pixel_share(emitters: Emitters, sigma_px: float) -> Floats:
    """Share of each emitter's light that falls on the pixel that holds it, (N,)."""
    return (pixel_shares(emitters.x_px, sigma_px, 0) * pixel_shares(emitters.y_px, sigma_px, 0))[:, 0]


def render(emitters: Emitters, shape: tuple[int, int, int], sigma_px: float) -> Floats:
    """Expected photons of all emitters, those outside the field that shine into it included.

    Args:
        emitters: rows whose frames lie in 0 … T − 1; positions may lie outside the field.
        shape: (T, Y, X).
        sigma_px: standard deviation of the point spread function.

    Returns:
        Photons per px and frame, (T, Y, X).
    """
    reach = reach_px(sigma_px)
    frames, height, width = shape
    padded = np.zeros((frames, height + 4 * reach, width + 4 * reach))
    near = emitters.select(_near(emitters, height, width, reach))
    for start in range(0, near.rows, _ROWS_AT_ONCE):
        rows = near.select(slice(start, start + _ROWS_AT_ONCE))
        _splat(rows, padded[rows.frame[0] : rows.frame[-1] + 1], sigma_px, reach)
    return padded[:, 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width]  # (T, Y, X)


def _near(emitters: Emitters, height: int, width: int, reach: int) -> NDArray[np.bool_]:
    x, y = emitters.x_px, emitters.y_px
    return np.asarray((x >= -reach) & (x < width + reach) & (y >= -reach) & (y < height + reach))


def _splat(rows: Emitters, image: Floats, sigma_px: float, reach: int) -> None:
    """Add rows to the frames that they span; the image is padded by 2 `reach`."""
    columns = pixel_shares(rows.x_px, sigma_px, reach)  # (N, W)
    lines = pixel_shares(rows.y_px, sigma_px, reach) * rows.photons[:, None]  # (N, W)
    photons = lines[:, :, None] * columns[:, None, :]  # (N, W, W)
    left = np.floor(rows.x_px).astype(np.int64) + reach
    top = np.floor(rows.y_px).astype(np.int64) + reach
    corner = ((rows.frame - rows.frame[0]) * image.shape[1] + top) * image.shape[2] + left  # (N,)
    window = np.arange(2 * reach + 1)
    pixels = corner[:, None] + (window[:, None] * image.shape[2] + window).ravel()  # (N, W W)
    image += np.bincount(pixels.ravel(), photons.ravel(), image.size).reshape(image.shape)
