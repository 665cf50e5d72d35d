"""Two simpler ways to read a map, as ablations: what mass peeling is worth is what it finds beyond them.

`suppressed` allows one localisation in 3×3 px, as detectors do; it cannot see two emitters side by side. `argmax` puts
the most probable count of each pixel at the pixel's centre; where an emitter's mass is spread over two pixels it finds
none or two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, uniform_filter

from model.decoding.peeling import by_frame, expected_counts
from model.emitters import Emitters

_WINDOW = (1, 3, 3)


def suppressed(probability: NDArray[Any], threshold: float) -> Emitters:
    """A localisation at the centroid of each 3×3 window that holds `threshold` and whose middle outdoes all around it.

    The map is (T, Y, X, 4).
    """
    expected = expected_counts(probability)  # (T, Y, X)
    mass = 9 * uniform_filter(expected, _WINDOW, mode="constant")
    peak = (expected == maximum_filter(expected, _WINDOW, mode="constant")) & (expected > 0) & (mass >= threshold)
    padded = np.pad(expected, ((0, 0), (1, 1), (1, 1)))
    return by_frame([_centroids(frame, middle) for frame, middle in zip(padded, peak, strict=True)])


def argmax(probability: NDArray[Any]) -> Emitters:
    """As many localisations in the middle of each pixel as its most probable class counts; the map is (T, Y, X, 4)."""
    counts = probability.argmax(axis=-1)  # (T, Y, X)
    frame, y, x = np.nonzero(counts)
    repeated = np.repeat(np.column_stack([frame, x, y]), counts[frame, y, x], axis=0)
    return Emitters.of(repeated[:, 0], repeated[:, 1] + 0.5, repeated[:, 2] + 0.5)


def _centroids(padded: NDArray[np.float64], peak: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Columns x and y, (N, 2), of one frame that has a border of one empty pixel."""
    y, x = np.nonzero(peak)
    beside = np.arange(3)
    held = padded[y[:, None, None] + beside[:, None], x[:, None, None] + beside]  # (N, 3, 3)
    lever = (beside - 1) / held.sum(axis=(1, 2))[:, None]  # (N, 3)
    offset = [(held.sum(axis=axis) * lever).sum(axis=1) for axis in (1, 2)]
    return np.asarray(np.column_stack([x, y]) + 0.5 + np.stack(offset, axis=1))
