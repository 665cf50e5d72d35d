"""From a probability map to localisations, by peeling mass off the map of expected counts.

`e = p1 + 2 p2 + 3 p3` is the expected number of emitters in a pixel. While some 3×3 window holds at least τ of it, the
best such window gives up to one unit, its centre first and then its other pixels in proportion; the centroid of what it
gave is a localisation. A pixel with two emitters gives two, and neighbours are never forbidden.

The best window is the one whose unit is worth most, where what lies beside the centre is worth half. Were mass alone to
decide, a window between two emitters would hold both and come first, and put both in the middle.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from model.config import CLASSES
from model.emitters import Emitters

Floats = NDArray[np.float64]

WORTH_BESIDE_CENTRE = 0.5


def decode(probability: NDArray[Any], threshold: float) -> Emitters:
    """Localisations of a map (T, Y, X, 4) from windows that hold at least `threshold` (τ) expected emitters.

    Raises:
        ValueError: the map has another shape, or the threshold does not lie in 0 < threshold ≤ 1.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"the threshold must lie above 0 and at most at 1, found {threshold:g}")
    return peel(expected_counts(probability), threshold)


def peel(expected: NDArray[Any], threshold: float) -> Emitters:
    """Localisations of expected counts (T, Y, X), see `decode`."""
    return by_frame([_peel(np.pad(frame.astype(np.float64), 1), threshold) for frame in expected])


def expected_counts(probability: NDArray[Any]) -> Floats:
    """Expected emitters in each pixel, (T, Y, X), of a map (T, Y, X, 4).

    Raises:
        ValueError: the map has another shape.
    """
    if probability.ndim != 4 or probability.shape[-1] != CLASSES:
        raise ValueError(f"expected a probability map (T, Y, X, {CLASSES}), found shape {probability.shape}")
    e = np.zeros(probability.shape[:3])
    for emitters in range(1, CLASSES):
        e += emitters * probability[..., emitters]
    return e


def by_frame(places: Sequence[Floats]) -> Emitters:
    """Localisations of the places (N, 2), columns x and y, in each frame."""
    frame = np.repeat(np.arange(len(places)), [len(found) for found in places])
    x_px, y_px = np.concatenate([np.zeros((0, 2)), *places]).T
    return Emitters.of(frame, x_px, y_px)


def _peel(expected: Floats, threshold: float) -> Floats:
    """Localisations (N, 2), columns x and y, of one frame with a border of one empty pixel, which is used up.

    All windows that outdo every other one within two pixels are peeled at once. No other window can change them before
    their turn, so the result is that of peeling one by one; of windows that are worth the same, either may come first.
    """
    found = [np.zeros((0, 2))]
    while len(best := _best_windows(expected, threshold)):
        found.append(_take_one(expected, best))
    return np.concatenate(found)


def _best_windows(expected: Floats, threshold: float) -> NDArray[np.int64]:
    """Row and column (N, 2), in the frame without its border, of windows that do not overlap."""
    rows = expected[:, :-2] + expected[:, 1:-1] + expected[:, 2:]
    mass = rows[:-2] + rows[1:-1] + rows[2:]  # (Y, X)
    centre = np.minimum(expected[1:-1, 1:-1], 1.0)
    worth = centre + WORTH_BESIDE_CENTRE * np.minimum(mass - centre, 1.0 - centre)
    worth[mass < threshold] = 0.0
    best = (worth > 0) & (worth == maximum_filter(worth, 5, mode="constant"))
    number = np.where(best, np.arange(1, best.size + 1).reshape(best.shape), 0)
    return np.argwhere(best & (number == maximum_filter(number, 5, mode="constant")))


def _take_one(expected: Floats, windows: NDArray[np.int64]) -> Floats:
    """Take up to one unit out of each window; its centroid, columns x and y, (N, 2)."""
    offset = np.arange(3)
    where = (windows[:, 0, None, None] + offset[:, None], windows[:, 1, None, None] + offset)
    taken = _centre_first(expected[where])  # (N, 3, 3)
    expected[where] -= taken
    lever = (offset - 1) / taken.sum(axis=(1, 2))[:, None]  # (N, 3)
    x = windows[:, 1] + 0.5 + (taken.sum(axis=1) * lever).sum(axis=1)
    y = windows[:, 0] + 0.5 + (taken.sum(axis=2) * lever).sum(axis=1)
    return np.column_stack([x, y])


def _centre_first(held: Floats) -> Floats:
    """Up to one unit of each window (N, 3, 3): the centre, then the rest in proportion."""
    centre = np.minimum(held[:, 1, 1], 1.0)
    around = held.sum(axis=(1, 2)) - held[:, 1, 1]
    share = np.divide(1.0 - centre, around, out=np.ones_like(around), where=around > 1.0 - centre)
    taken: Floats = held * share[:, None, None]
    taken[:, 1, 1] = centre
    return taken
