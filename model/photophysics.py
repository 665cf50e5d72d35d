"""When molecules shine and how brightly: from a density of rows to switch-on times, ON times and photons per frame.

Molecules switch on uniformly in time and stay on for an exponential time. A run of frames starts in the stationary
state: those already on at frame 0 are there, and because the exponential has no memory, what is left of their ON time
is exponential again. Switching is integrated over each frame, so the first and the last frame of a molecule are dim.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

Floats = NDArray[np.float64]

LEAST_SHARE = 0.01
"""Share of a full frame's light below which a row is dropped (SMLM Challenge 2016, Sage et al. 2019)."""


class Blinks(NamedTuple):
    """One ON time of each of M molecules, in frames from the start of the movie."""

    start: Floats  # (M,)
    stop: Floats  # (M,)


class Shining(NamedTuple):
    """Rows: which molecule shines in which frame and for what share of it; N rows, ordered by molecule."""

    molecule: NDArray[np.int64]  # (N,)
    frame: NDArray[np.int64]  # (N,)
    share: Floats  # (N,)


def rows_per_molecule(mean_on_frames: float) -> float:
    """Mean number of frames in which a molecule gives at least `LEAST_SHARE` of a full frame's light.

    With ε the least share, a molecule that stays on for ℓ ≥ ε gives such a row in 1 − 2ε + ℓ frames on average over its
    switch-on phase; the mean over exponential ℓ is `exp(−ε / m) (1 − ε + m)`. For m = 1 frame that is nearly 2.
    """
    return math.exp(-LEAST_SHARE / mean_on_frames) * (1.0 - LEAST_SHARE + mean_on_frames)


def blink(rows_per_frame: float, mean_on_frames: float, frames: int, rng: np.random.Generator) -> Blinks:
    """ON times of all molecules of a movie whose mean number of rows per frame is `rows_per_frame`."""
    rate = rows_per_frame / rows_per_molecule(mean_on_frames)
    already_on = rng.poisson(rate * mean_on_frames)
    later = rng.uniform(0.0, frames, rng.poisson(rate * frames))
    start = np.concatenate([np.zeros(already_on), later])  # (M,)
    return Blinks(start, start + rng.exponential(mean_on_frames, start.shape))


def shine(blinks: Blinks, frames: int) -> Shining:
    """Each ON time cut at the borders of frames 0 … `frames` − 1; rows below `LEAST_SHARE` are dropped."""
    first = np.floor(blinks.start).astype(np.int64)
    last = np.minimum(np.floor(blinks.stop).astype(np.int64), frames - 1)
    spans = np.maximum(last - first + 1, 0)  # (M,)
    molecule = np.repeat(np.arange(len(spans)), spans)  # (N,)
    frame = np.arange(len(molecule)) - np.repeat(np.cumsum(spans) - spans, spans) + first[molecule]  # (N,)
    share = np.minimum(blinks.stop[molecule], frame + 1) - np.maximum(blinks.start[molecule], frame)  # (N,)
    kept = share >= LEAST_SHARE
    return Shining(molecule[kept], frame[kept], share[kept])


def full_photons(count: int, mean: float, spread: float, rng: np.random.Generator) -> Floats:
    """Photons of each molecule in a frame in which it shines throughout: normal, cut below zero.

    Args:
        count: molecules, M.
        mean: photons, mean of the normal distribution before it is cut.
        spread: its standard deviation over its mean.
        rng: source of randomness.

    Returns:
        Positive photons, (M,).
    """
    if spread == 0:
        return np.full(count, mean)
    below_zero = float(ndtr(-1.0 / spread))
    drawn = 1.0 - rng.random(count) * (1.0 - below_zero)  # in (below_zero, 1]
    return np.asarray(mean * (1.0 + spread * ndtri(np.minimum(drawn, 1.0 - 1e-12))))  # (M,)
