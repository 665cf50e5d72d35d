"""The classical floor: a wavelet filter and local maxima, as ThunderSTORM finds molecules by default.

The à-trous B-spline transform (Izeddin et al. 2012) parts an image into planes of growing structures; the second one
holds spots of the size of a point spread function, the first one mostly noise, by whose standard deviation the
threshold is measured. Maxima among 8 neighbours above the threshold are molecules; a parabola through three pixels
along each axis gives the place between pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, maximum_filter

from model.emitters import Emitters, LabelledMovie
from model.scoring.scores import score
from model.scoring.verdicts import Criterion

Floats = NDArray[np.float64]

THRESHOLDS = (0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0)
"""Multiples of the standard deviation of the first plane that are tried; ThunderSTORM's own is 1."""
_SPLINE = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0
_WITH_HOLES = np.array([1.0, 0.0, 4.0, 0.0, 6.0, 0.0, 4.0, 0.0, 1.0]) / 16.0


def detect(frames: NDArray[Any], threshold: float) -> Emitters:
    """Molecules in a movie (T, Y, X); `threshold` is over the standard deviation of each frame's first plane."""
    first = _blurred(frames.astype(np.float64), _SPLINE)
    noise = (frames - first).std(axis=(1, 2))[:, None, None]
    spots = first - _blurred(first, _WITH_HOLES)  # (T, Y, X)
    peak = (spots == maximum_filter(spots, (1, 3, 3), mode="nearest")) & (spots > threshold * noise)
    frame, y, x = np.nonzero(peak)
    padded = np.pad(spots, ((0, 0), (1, 1), (1, 1)), mode="edge")
    aside = [_vertex(*(padded[frame, y + 1, x + 1 + step] for step in (-1, 0, 1)))]
    aside.append(_vertex(*(padded[frame, y + 1 + step, x + 1] for step in (-1, 0, 1))))
    return Emitters.of(frame, x + 0.5 + aside[0], y + 0.5 + aside[1])


def choose_threshold(movies: Sequence[LabelledMovie], radius_nm: float, snr_threshold: float) -> float:
    """The multiple with the highest mean F1 over validation movies."""

    def worth(threshold: float) -> float:
        return float(np.mean([_f1(movie, threshold, radius_nm, snr_threshold) for movie in movies]))

    return max(THRESHOLDS, key=worth)


def _f1(movie: LabelledMovie, threshold: float, radius_nm: float, snr_threshold: float) -> float:
    found, criterion = detect(movie.frames, threshold), Criterion(snr_threshold=snr_threshold)
    return score(movie.emitters, found, radius_nm / movie.pixel_nm, movie.pixel_nm, criterion).f1


def _blurred(movie: Floats, kernel: Floats) -> Floats:
    return np.asarray(convolve1d(convolve1d(movie, kernel, 1, mode="mirror"), kernel, 2, mode="mirror"))


def _vertex(before: Floats, middle: Floats, after: Floats) -> Floats:
    """Where the parabola through three values peaks, −0.5 to 0.5 from the middle one."""
    bend = before - 2 * middle + after
    vertex = np.divide(before - after, 2 * bend, out=np.zeros_like(bend), where=bend < 0)
    return np.clip(vertex, -0.5, 0.5)
