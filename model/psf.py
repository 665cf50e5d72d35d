"""The image of a point: an integrated Gaussian, from emitter rows to expected photons in each pixel.

The Gaussian is separable, so each row needs two short vectors, the shares of its light in the columns and in the rows
of pixels around it. A window reaches four sigma to either side; what lies beyond (6 in 100,000) is left out. Rows of
like width are rendered together, so that a wide one does not widen the windows of all.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.special import erf

from model.emitters import Emitters
from model.optics import Optics, Widths

Floats = NDArray[np.float64]

REACH_SIGMA = 4.0
"""Half width of a rendered window, sigma."""
HALO_REACH_SIGMA = 2.5
"""The same of a halo, beyond the window of its emitter."""
_SHARES_AT_ONCE = 1 << 22


def reach_px(sigma_px: float) -> int:
    """Pixels to either side of an emitter's own pixel that receive its light."""
    return math.ceil(REACH_SIGMA * sigma_px)


def halo_reach_px(optics: Optics) -> int:
    """Pixels that the halo reaches beyond that; 0 without one."""
    return math.ceil(HALO_REACH_SIGMA * optics.halo_px) if optics.halo else 0


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


def own_pixel_share(emitters: Emitters, widths: Widths) -> Floats:
    """Share of each emitter's light that falls on the pixel that holds it, (N,)."""
    columns, lines = pixel_shares(emitters.x_px, widths.x_px, 0), pixel_shares(emitters.y_px, widths.y_px, 0)
    return (columns * lines)[:, 0]


def render(
    emitters: Emitters, shape: tuple[int, int, int], sigma_px: float | Widths, optics: Optics | None = None
) -> Floats:
    """Expected photons of all emitters, those outside the field that shine into it included.

    Args:
        emitters: rows whose frames lie in 0 … T − 1; positions may lie outside the field.
        shape: (T, Y, X).
        sigma_px: standard deviation of the point spread function, one for all or of each row.
        optics: has a halo or not.

    Returns:
        Photons per px and frame, (T, Y, X).
    """
    widths = sigma_px if isinstance(sigma_px, Widths) else Widths(*(np.full(emitters.rows, sigma_px),) * 2)
    frames, height, width = shape
    beyond = halo_reach_px(optics) if optics else 0
    field = np.zeros((frames, height + 2 * beyond, width + 2 * beyond))
    reaches = np.ceil(REACH_SIGMA * np.maximum(*widths)).astype(np.int64)  # (N,)
    for reach in _steps(reaches):
        rows = np.flatnonzero(_step(reaches) == reach)
        _add(emitters.select(rows).shifted(x_px=beyond, y_px=beyond), widths.select(rows), int(reach), field)
    if optics and optics.halo:
        _spread(field, optics)
    return field[:, beyond : beyond + height, beyond : beyond + width]  # (T, Y, X)


def _step(reaches: NDArray[np.int64]) -> NDArray[np.int64]:
    """Reaches, those above 8 px rounded up to a multiple of 4."""
    return np.where(reaches <= 8, reaches, -(-reaches // 4) * 4)


def _steps(reaches: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.unique(_step(reaches))


def _add(emitters: Emitters, widths: Widths, reach: int, field: Floats) -> None:
    """Add the light of rows to a field (T, Y, X)."""
    frames, height, width = field.shape
    near = _near(emitters, height, width, reach)
    emitters, widths = emitters.select(near), widths.select(near)
    padded = np.zeros((frames, height + 4 * reach, width + 4 * reach))
    at_once = _SHARES_AT_ONCE // (2 * reach + 1) ** 2 + 1
    for start in range(0, emitters.rows, at_once):
        rows = np.arange(start, min(start + at_once, emitters.rows))
        seen = emitters.select(rows)
        _splat(seen, widths.select(rows), padded[seen.frame[0] : seen.frame[-1] + 1], reach)
    field += padded[:, 2 * reach : 2 * reach + height, 2 * reach : 2 * reach + width]


def _spread(field: Floats, optics: Optics) -> None:
    """Move the halo's share of the light of a field (T, Y, X) into it."""
    blurred = field
    for axis in (1, 2):
        blurred = gaussian_filter1d(blurred, optics.halo_px, axis, mode="constant", truncate=HALO_REACH_SIGMA)
    field *= 1.0 - optics.halo
    field += optics.halo * blurred


def _near(emitters: Emitters, height: int, width: int, reach: int) -> NDArray[np.bool_]:
    x, y = emitters.x_px, emitters.y_px
    return np.asarray((x >= -reach) & (x < width + reach) & (y >= -reach) & (y < height + reach))


def _splat(rows: Emitters, widths: Widths, image: Floats, reach: int) -> None:
    """Add rows to the frames that they span; the image is padded by 2 `reach`."""
    columns = pixel_shares(rows.x_px, widths.x_px, reach)  # (N, W)
    lines = pixel_shares(rows.y_px, widths.y_px, reach) * rows.photons[:, None]  # (N, W)
    photons = lines[:, :, None] * columns[:, None, :]  # (N, W, W)
    left = np.floor(rows.x_px).astype(np.int64) + reach
    top = np.floor(rows.y_px).astype(np.int64) + reach
    corner = ((rows.frame - rows.frame[0]) * image.shape[1] + top) * image.shape[2] + left  # (N,)
    window = np.arange(2 * reach + 1)
    pixels = corner[:, None] + (window[:, None] * image.shape[2] + window).ravel()  # (N, W W)
    image += np.bincount(pixels.ravel(), photons.ravel(), image.size).reshape(image.shape)
