"""Percentiles of a stack of any length in little memory, exactly: values are counted, not sorted.

Pixels of 8 or 16 bits are counted in one pass, one counter for each value; pixels of 32 bits in two, by their upper
half and then, where a wanted rank falls, by their lower half. Signed and floating numbers are counted by keys that keep
their order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Counts = NDArray[np.int64]

_PIXELS_AT_ONCE = 1 << 20
_HALF = 1 << 16


class Stack(Protocol):
    """An array, or what gives arrays for slices of its first axis as one does."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Frames first."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Kind of the pixels."""

    def __getitem__(self, frames: slice, /) -> NDArray[Any]:
        """Some consecutive frames."""


def pieces(stack: Stack) -> Iterator[NDArray[Any]]:
    """A stack in portions of consecutive frames."""
    length, *field = stack.shape
    step = max(1, _PIXELS_AT_ONCE // max(1, int(np.prod(field))))
    return (stack[start : start + step] for start in range(0, length, step))


def percentiles(stack: Stack, ranks: Sequence[float]) -> list[float]:
    """Values at ranks in percent, interpolated linearly between the two nearest, as `numpy.percentile` does.

    Raises:
        ValueError: the stack is empty, or holds NaN or an infinite number.
        TypeError: its pixels are integers of 64 bits or no numbers.
    """
    pixels = int(np.prod(stack.shape))
    if pixels == 0:
        raise ValueError("a stack without pixels has no percentiles")
    places = [rank / 100.0 * (pixels - 1) for rank in ranks]
    wanted = sorted({min(int(place) + step, pixels - 1) for place in places for step in (0, 1)})
    value = dict(zip(wanted, _ordered(stack, np.array(wanted)), strict=True))
    found = []
    for place in places:
        low, high = value[int(place)], value[min(int(place) + 1, pixels - 1)]
        found.append(low + (high - low) * (place - int(place)))
    return found


def _ordered(stack: Stack, wanted: Counts) -> list[float]:
    """Values at places (from 0) in the sorted stack."""
    kind = _kind(stack.dtype)
    if kind.itemsize <= 2:
        counts = sum((_counted(_keys(piece)) for piece in pieces(stack)), np.zeros(_HALF, np.int64))
        return _values(np.searchsorted(np.cumsum(counts), wanted, side="right"), kind)
    upper = np.zeros(_HALF, np.int64)
    for piece in pieces(stack):
        if piece.dtype.kind == "f" and not np.isfinite(piece).all():
            raise ValueError("it holds pixels that are NaN or infinite")
        upper += _counted(_keys(piece) >> np.uint32(16))
    below = np.cumsum(upper)
    bucket = np.searchsorted(below, wanted, side="right")
    lower = _counted_within(stack, np.unique(bucket))
    within = wanted - (below[bucket] - upper[bucket])
    lows = [
        np.searchsorted(np.cumsum(lower[high]), place, side="right") for high, place in zip(bucket, within, strict=True)
    ]
    return _values(bucket * _HALF + np.array(lows), kind)


def _counted_within(stack: Stack, buckets: Counts) -> dict[int, Counts]:
    """Counts of the lower halves of the keys whose upper half is one of `buckets`."""
    counts = {int(bucket): np.zeros(_HALF, np.int64) for bucket in buckets}
    for piece in pieces(stack):
        keys = _keys(piece)
        for bucket in counts:
            counts[bucket] += _counted(keys[keys >> np.uint32(16) == bucket] & np.uint32(_HALF - 1))
    return counts


def _counted(keys: NDArray[Any]) -> Counts:
    return np.bincount(keys.ravel(), minlength=_HALF)


def _keys(pixels: NDArray[Any]) -> NDArray[Any]:
    """Unsigned integers in the order of the pixels."""
    kind = _kind(pixels.dtype)
    raw = np.ascontiguousarray(pixels, kind).view(f"u{kind.itemsize}")
    sign = raw.dtype.type(1 << (8 * kind.itemsize - 1))
    if kind.kind == "u":
        return raw
    return np.where(raw & sign, ~raw, raw ^ sign) if kind.kind == "f" else raw ^ sign


def _kind(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """As which pixels are counted: floats of any size as those of 32 bits."""
    if dtype.kind == "f":
        return np.dtype(np.float32)
    if dtype.kind not in "ui" or dtype.itemsize > 4:
        raise TypeError(f"percentiles of {dtype} are not supported; convert it to float32")
    return dtype.newbyteorder("=")


def _values(keys: Counts, dtype: np.dtype[Any]) -> list[float]:
    """Pixels of some keys."""
    raw = keys.astype(f"u{dtype.itemsize}")
    sign = raw.dtype.type(1 << (8 * dtype.itemsize - 1))
    if dtype.kind == "f":
        raw = np.where(raw & sign, raw ^ sign, ~raw)
    elif dtype.kind == "i":
        raw ^= sign
    return [float(value) for value in raw.view(dtype)]
