"""What the network shall answer and which pixels count: from emitters to a count map and a weight map.

A pixel's class is the number of emitters in it, 0, 1, 2 or 3 and more. Emitters below the SNR threshold cannot be told
from noise, so `data.low_snr` decides about the 3×3 px around each of them; a pixel that holds a reliable emitter always
has weight 1.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.config import CLASSES
from model.emitters import Emitters

LowSnr = Literal["ignore", "background", "soft"]
Shape = tuple[int, int, int]


class Targets(NamedTuple):
    """The answer and its weight, for each pixel of each frame."""

    counts: NDArray[np.uint8]  # (T, Y, X)
    """Emitters in the pixel, 0 to 3; 3 stands for 3 and more."""
    weights: NDArray[np.float32]  # (T, Y, X)
    """0 where the loss shall not look, 1 where it shall."""


def count_map(emitters: Emitters, shape: Shape) -> NDArray[np.uint8]:
    """Emitters in each pixel of a movie of shape (T, Y, X), clipped at 3; rows outside of it are left out."""
    seen = emitters.select(emitters.inside(shape))
    counts = np.bincount(np.ravel_multi_index(_pixels(seen), shape), minlength=int(np.prod(shape)))
    return np.minimum(counts, CLASSES - 1).astype(np.uint8).reshape(shape)  # (T, Y, X)


def build_targets(emitters: Emitters, shape: Shape, low_snr: LowSnr = "ignore", snr_threshold: float = 2.0) -> Targets:
    """Count map and weight map of a movie.

    - `ignore`: weak emitters are neither labels nor background; the 3×3 px around them have weight 0.
    - `background`: weak emitters are taken for empty background, at weight 1.
    - `soft`: weak emitters are labels; the 3×3 px around them have the weight SNR / threshold, the least where several
      meet.

    Args:
        emitters: rows; those outside the movie are left out.
        shape: (T, Y, X).
        low_snr: what is done with emitters below the threshold.
        snr_threshold: SNR from which on an emitter is reliable.
    """
    seen = emitters.select(emitters.inside(shape))
    weak = seen.snr < snr_threshold
    reliable = seen.select(~weak)
    counts = count_map(seen if low_snr == "soft" else reliable, shape)
    weights = np.ones(shape, np.float32)  # (T, Y, X)
    if low_snr != "background" and weak.any():
        doubtful = seen.select(weak)
        trust = doubtful.snr / snr_threshold if low_snr == "soft" else np.zeros(doubtful.rows)
        _lower_around(weights, doubtful, trust)
        weights[_pixels(reliable)] = 1.0
    return Targets(counts, weights)


def _pixels(emitters: Emitters) -> tuple[NDArray[np.int64], ...]:
    return emitters.frame, np.floor(emitters.y_px).astype(np.int64), np.floor(emitters.x_px).astype(np.int64)


def _lower_around(weights: NDArray[np.float32], emitters: Emitters, trust: NDArray[np.float64]) -> None:
    frame, line, column = _pixels(emitters)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            y, x = line + down, column + right
            held = (y >= 0) & (y < weights.shape[1]) & (x >= 0) & (x < weights.shape[2])
            np.minimum.at(weights, (frame[held], y[held], x[held]), trust[held].astype(np.float32))
