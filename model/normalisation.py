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
from model.percentiles import Stack, percentiles

SATURATED_PERCENTILE = 99.0
"""A stack whose value at this percentile is the most that its pixels can hold is refused, whatever scales it."""


class Intensities(NamedTuple):
    """Counts that become −1 and +1."""

    low: float
    high: float


def measure(stack: Stack, low_percentile: float, high_percentile: float, name: str = "the stack") -> Intensities:
    """Values at two percentiles of a whole stack, read in portions.

    Args:
        stack: counts, an array (T, Y, X) or an open movie.
        low_percentile: rank of what becomes −1, in percent.
        high_percentile: rank of what becomes +1, in percent.
        name: what an error calls it.

    Raises:
        InputError: the stack is empty, holds NaN, is constant between the percentiles, or is saturated.
    """
    if 0 in stack.shape:
        raise InputError(f"{name} has no pixels; at least one frame is needed to measure its intensities")
    try:
        low, high, bright = percentiles(stack, (low_percentile, high_percentile, SATURATED_PERCENTILE))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{name} cannot be scaled, {error}; replace them or leave those frames out") from error
    if low >= high:
        raise InputError(
            f"{name} is constant: its percentiles {low_percentile:g} and {high_percentile:g} are both {low:g}; "
            "choose a stack with signal, or percentiles further apart"
        )
    if np.issubdtype(stack.dtype, np.integer) and min(high, bright) >= np.iinfo(stack.dtype).max:
        share = 100 - min(high_percentile, SATURATED_PERCENTILE)
        raise InputError(
            f"{name} is saturated: at least {share:g} % of its pixels are at {high:g}, the most that {stack.dtype} can "
            "hold; record it with less gain or exposure"
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
