"""Camera counts brought to −1..1: two percentiles of a whole stack become −1 and +1.

The ranks (20 and 99 by default) belong to the model; the values are measured anew on each stack, so that a movie with
another baseline or brightness looks the same to the network. A patch is scaled by the values of its stack, never by its
own.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError


class Intensities(NamedTuple):
    """Counts that become −1 and +1."""

    low: float
    high: float


def measure(frames: NDArray[Any], low_percentile: float, high_percentile: float) -> Intensities:
    """Values at two percentiles of a whole stack.

    Args:
        frames: counts, (T, Y, X) or any shape, of any real dtype.
        low_percentile: rank of what becomes −1, in percent.
        high_percentile: rank of what becomes +1, in percent.

    Raises:
        InputError: the stack is empty, holds NaN, is constant between the percentiles, or is saturated.
    """
    if frames.size == 0:
        raise InputError("the stack has no pixels; at least one frame is needed to measure its intensities")
    low, high = (float(value) for value in np.percentile(frames, (low_percentile, high_percentile)))
    if not np.isfinite((low, high)).all():
        raise InputError("the stack holds pixels that are NaN or infinite; replace them or leave those frames out")
    if low >= high:
        raise InputError(
            f"the stack is constant: its percentiles {low_percentile:g} and {high_percentile:g} are both {low:g}; "
            "choose a stack with signal, or percentiles further apart"
        )
    if np.issubdtype(frames.dtype, np.integer) and high >= np.iinfo(frames.dtype).max:
        raise InputError(
            f"the stack is saturated: at least {100 - high_percentile:g} % of its pixels are at {high:g}, the most "
            f"that {frames.dtype} can hold; record it with less gain or exposure"
        )
    return Intensities(low, high)


def normalise(
    frames: NDArray[Any], intensities: Intensities, clip: Literal["hard", "scale-only"]
) -> NDArray[np.float32]:
    """Counts with `low` at −1 and `high` at +1; `hard` cuts what lies beyond. Same shape as `frames`."""
    scale = 2.0 / (intensities.high - intensities.low)
    scaled = frames.astype(np.float32)
    scaled -= np.float32(intensities.low)
    scaled *= np.float32(scale)
    scaled -= np.float32(1.0)
    return np.clip(scaled, -1.0, 1.0, out=scaled) if clip == "hard" else scaled
