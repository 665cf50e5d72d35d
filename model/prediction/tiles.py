"""Frames too large for one call, cut into tiles that overlap: what is kept of a tile has seen all that matters to it.

Tiles begin at multiples of the network's coarsest pixel, so that each is halved as the whole frame would be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from model.layers import PadToMultiple
from model.prediction.windows import Reading, predict_between

OVERLAP_PX = 16
"""Least number of pixels that a tile sees beyond what is kept of it."""


class Tile(NamedTuple):
    """A part of a frame, as (Y, X) slices."""

    seen: tuple[slice, slice]
    kept: tuple[slice, slice]
    """Within what is seen."""
    place: tuple[slice, slice]
    """Within the frame."""


def tiles(height: int, width: int, most_px: int, multiple: int) -> Iterator[Tile]:
    """Tiles that cover a frame, each of at most about `most_px` pixels, their edges at multiples of `multiple`."""
    edge = math.isqrt(most_px)
    if height * width <= most_px:
        edge = max(height, width)
    for down in _spans(height, edge, multiple):
        for right in _spans(width, edge, multiple):
            yield Tile(*zip(down, right, strict=True))


def _spans(size: int, edge: int, multiple: int) -> Iterator[tuple[slice, slice, slice]]:
    """Seen, kept and place along one axis."""
    overlap = math.ceil(OVERLAP_PX / multiple) * multiple
    parts = 1 if size <= edge else math.ceil(size / max(edge - 2 * overlap, multiple))
    step = math.ceil(size / parts / multiple) * multiple
    for start in range(0, size, step):
        stop = min(start + step, size)
        first, last = max(start - overlap, 0), min(stop + overlap, size)
        yield slice(first, last), slice(start - first, stop - first), slice(start, stop)


def coarsest_px(network: keras.Model) -> int:
    """Pixels along the edge of the network's coarsest pixel."""
    return max((layer.multiple for layer in network.layers if isinstance(layer, PadToMultiple)), default=1)


def predict_tiled(network: keras.Model, seen: NDArray[np.float32], reading: Reading) -> NDArray[np.float32]:
    """Probability maps (T, Y, X, 4) of scaled frames (T + 2 margin, Y, X) but those of the margin, tile by tile."""
    _, height, width = seen.shape
    probability = np.empty((len(seen) - 2 * reading.margin, height, width, network.output_shape[-1]), np.float32)
    for tile in tiles(height, width, reading.pixels_at_once, coarsest_px(network)):
        answer = predict_between(network, seen[:, *tile.seen], reading)
        probability[:, *tile.place] = answer[:, *tile.kept]
    return probability
