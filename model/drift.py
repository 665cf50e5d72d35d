"""Whether a table's positions lie where the movie's light is, from its beginning to its end.

Binning needs tables in the coordinates of the raw frames. In a table that was corrected for drift, positions walk away
from the light by as much as the sample moved.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.curation import ring, windows
from model.emitters import Emitters
from model.errors import InputError

Floats = NDArray[np.float64]

MOST_NM = 20.0
BLOCKS, LEAST_ROWS, MOST_ROWS = 5, 20, 2000
"""Blocks of time that are compared, and how many localisations of each are looked at."""
_REACH_PX, _ROUNDS, _CERTAIN = 3, 3, 4.0


def refuse_drift(frames: NDArray[Any], emitters: Emitters, pixel_nm: float, sigma_px: float) -> None:
    """Compare positions with the centres of light in blocks of time; blocks with few localisations are passed over.

    Args:
        frames: the movie, (T, Y, X).
        emitters: rows within it.
        pixel_nm: edge of a pixel.
        sigma_px: width of the point spread function.

    Raises:
        InputError: between two blocks the offset changes by more than `MOST_NM`, beyond doubt.
    """
    rows = np.arange(emitters.rows)
    blocks = [rows[emitters.frame * BLOCKS // len(frames) == block] for block in range(BLOCKS)]
    found = [_offset(frames, emitters.select(_some(block)), sigma_px) for block in blocks if len(block) >= LEAST_ROWS]
    if len(found) < 2:
        return
    offsets, doubts = (np.array(column) * pixel_nm for column in zip(*found, strict=True))  # (B, 2) each
    walked = np.abs(offsets[:, None] - offsets)  # (B, B, 2)
    certain = walked > _CERTAIN * np.hypot(doubts[:, None], doubts)
    if (certain & (walked > MOST_NM)).any():
        raise InputError(
            f"the table walks away from the movie's light by up to {walked[certain].max():.0f} nm, so it seems to be "
            f"corrected for drift; at most {MOST_NM:g} nm are good enough for binning: export it without the correction"
        )


def _some(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    return rows[:: max(1, len(rows) // MOST_ROWS)]


def _offset(frames: NDArray[Any], emitters: Emitters, sigma_px: float) -> tuple[Floats, Floats]:
    """Median offset (x, y) of the light from the positions, and its standard error; px."""
    around = np.arange(-_REACH_PX, _REACH_PX + 1, dtype=np.float64) + 0.5
    light = windows(frames, emitters, _REACH_PX) - ring(frames, emitters)[0][:, None, None]  # (N, W, W)
    inside = np.column_stack([emitters.x_px % 1.0, emitters.y_px % 1.0])  # (N, 2)
    shift = np.zeros_like(inside)
    for _ in range(_ROUNDS):
        shift += 2.0 * (_centre(light, inside + shift, around, sigma_px) - inside - shift)
        shift = np.clip(shift, -2.0, 2.0)
    middle = np.median(shift, axis=0)
    spread = 1.4826 * np.median(np.abs(shift - middle), axis=0)
    return middle, 1.2533 * spread / np.sqrt(len(shift))


def _centre(light: Floats, guess: Floats, around: Floats, sigma_px: float) -> Floats:
    """Centres (N, 2) of light under a Gaussian window around a guess; half way to the centre of a Gaussian spot."""
    x, y = (np.exp(-((around - guess[:, [axis]]) ** 2) / (2 * sigma_px**2)) for axis in (0, 1))  # (N, W)
    seen = np.maximum(light * y[:, :, None] * x[:, None, :], 0.0)
    total = np.maximum(seen.sum(axis=(1, 2)), 1e-9)
    moments = [(seen.sum(axis=axis) * around).sum(axis=1) for axis in (1, 2)]
    return np.asarray(np.column_stack(moments) / total[:, None])
