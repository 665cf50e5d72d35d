"""Dense movies with trusted labels out of sparse acquisitions: frames far apart in time are summed.

With M the length of the dense movie and o_k the offsets, dense frame i is the sum of the frames i + o_k, less the
baseline of all but one of them, and its emitters are those of all of them. Neighbouring dense frames come from
neighbouring frames, so blinking stays as it was; frames that are summed are further apart than molecules shine, so that
none is counted twice (contiguous binning counts more than half of them repeatedly). Training and validation are binned
each on its own, so they share no frame.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError
from model.localisations import Table

Offsets = NDArray[np.int64]

SUMS: dict[Literal["none", "bin5", "bin10"], int] = {"none": 1, "bin5": 5, "bin10": 10}
"""Frames in one dense frame, by the name of the preset."""
_FRAMES_AT_ONCE = 64


def strided(length: int, sums: int, least_gap: int) -> Offsets:
    """Offsets k M, with M = length // sums, which is also how long the dense movie is; (sums,).

    Raises:
        InputError: the movie is too short for offsets `least_gap` apart.
    """
    return np.arange(sums) * dense_length(length, sums, least_gap)


def permuted(length: int, sums: int, least_gap: int, rng: np.random.Generator) -> Offsets:
    """Random ascending offsets at least `least_gap` apart for a dense movie as long as a strided one, (sums,).

    Raises:
        InputError: the movie is too short for offsets so far apart.
    """
    dense = dense_length(length, sums, least_gap)
    slack = length - dense - (sums - 1) * least_gap
    return np.sort(rng.integers(0, slack, sums, endpoint=True)) + np.arange(sums) * least_gap


def dense_length(length: int, sums: int, least_gap: int) -> int:
    """Frames of the dense movie.

    Raises:
        InputError: the movie is too short.
    """
    dense = length // sums
    if dense < (least_gap if sums > 1 else 1):
        raise InputError(
            f"{length} frames are too few to sum {sums} at least {least_gap} frames apart, {sums * least_gap} are "
            "needed; choose a smaller data.binning, a smaller data.bin_gap_frames, or a longer movie"
        )
    return dense


def bin_frames(frames: NDArray[Any], offsets: Offsets, length: int, baseline: float) -> NDArray[Any]:
    """The dense movie (M, Y, X): int32 of integer frames, float32 of others.

    Raises:
        InputError: a pixel is saturated, or a sum does not fit.
    """
    if len(offsets) == 1:
        return frames[offsets[0] : offsets[0] + length]
    whole = np.issubdtype(frames.dtype, np.integer)
    dense = np.empty((length, *frames.shape[1:]), np.int32 if whole else np.float32)  # (M, Y, X)
    for start in range(0, length, _FRAMES_AT_ONCE):
        stop = min(start + _FRAMES_AT_ONCE, length)
        total = np.zeros((stop - start, *frames.shape[1:]), np.int64 if whole else np.float64)
        for offset in offsets:
            part = frames[offset + start : offset + stop]
            _refuse_saturated(part, offset + start)
            total += part
        total -= np.asarray(round((len(offsets) - 1) * baseline), total.dtype)
        if whole and (abs(total) > np.iinfo(np.int32).max).any():
            raise InputError(f"a sum of {len(offsets)} frames of {frames.dtype} does not fit into 32 bits")
        dense[start:stop] = total
    return dense


def bin_table(table: Table, offsets: Offsets, length: int) -> Table:
    """The rows of all frames that are summed, by dense frame; each stands on the background of all of them."""
    parts = []
    for offset in offsets:
        held = table.select((table.frame >= offset) & (table.frame < offset + length))
        parts.append(held._replace(frame=held.frame - offset))
    united = Table.united(parts)
    return united._replace(background=united.background * len(offsets))


def _refuse_saturated(frames: NDArray[Any], first: int) -> None:
    if not np.issubdtype(frames.dtype, np.integer):
        return
    most = np.iinfo(frames.dtype).max
    full = frames == most
    if full.any():
        raise InputError(
            f"{int(full.sum())} pixels of frames {first} to {first + len(frames) - 1} are saturated at {most}, and "
            "sums of them would be too low; record with less gain, or set data.binning to none"
        )
