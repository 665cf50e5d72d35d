"""Width of the point spread function, from the spectrum of a movie: it needs no isolated emitter.

Emitters anywhere have a white spectrum, which the image of a point falls with: `ln P(w) = A − σ² w²` for a Gaussian,
after the noise's level, told by the finest details, and the averaging over pixels are taken away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.errors import InputError

Floats = NDArray[np.float64]

_COARSEST, _FINEST, _STEP = 0.6, 3.1, 0.1
"""Spatial frequencies, radian per px: structures are seen below, nothing above."""
_LEAST_SIGNAL, _LEAST_SURE = 0.15, 6.0
"""Over the noise, and over its own uncertainty."""
_LEAST_POINTS = 4


def spot_sigma_px(frames: Floats) -> float:
    """Standard deviation of the point spread function of blinking emitters in frames (T, Y, X), px.

    Raises:
        InputError: nothing but noise changes in the movie.
    """
    power, wy, wx = _spectrum(frames - frames.mean(axis=0))
    noise = float(np.median(power[(np.abs(wy) > 0.8 * np.pi) & (np.abs(wx) > 0.8 * np.pi)]))
    pixel = (np.sinc(wx / (2 * np.pi)) * np.sinc(wy / (2 * np.pi))) ** 2
    radius = np.hypot(wx, wy)
    bins = np.digitize(radius.ravel(), np.arange(_COARSEST, _FINEST, _STEP))
    held = np.bincount(bins.ravel())[1:-1]
    square, signal, level = (
        np.bincount(bins, values.ravel())[1:-1] / np.maximum(held, 1)
        for values in (radius**2, (power - noise) / pixel, power)
    )
    doubt = level / np.sqrt(np.maximum(held, 1) * len(frames))
    usable = (held > 0) & (signal > _LEAST_SIGNAL * noise) & (signal > _LEAST_SURE * doubt)
    points = len(usable) if usable.all() else int(np.argmin(usable))
    if points < _LEAST_POINTS:
        raise InputError("no blinking spots stand out of the noise; give a movie in which emitters can be seen")
    weight = signal[:points] / np.hypot(doubt[:points], 0.03 * signal[:points])
    slope = np.polyfit(square[:points], np.log(signal[:points]), 1, w=weight)[0]
    return float(np.sqrt(max(-slope, 0.01)))


def _spectrum(frames: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean power (Y, X) of frames under a window, and its frequencies (Y, 1) and (1, X), radian per px."""
    height, width = frames.shape[1:]
    window = np.hanning(height)[:, None] * np.hanning(width)
    power = np.mean(np.abs(np.fft.fft2(frames * window)) ** 2, axis=0) / (window**2).sum()
    wy, wx = (np.asarray(2 * np.pi * np.fft.fftfreq(size), np.float64) for size in (height, width))
    return power, wy[:, None], wx[None, :]
