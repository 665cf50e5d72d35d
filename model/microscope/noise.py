"""Gain and baseline of a camera, and whether it multiplies electrons, from the noise of a movie.

The photon transfer line: the variance of a pixel is `F² g (mean − baseline)`, with g counts per electron. Noise is
white and an image is not, so it is measured where an image has nothing left: in the finest checkerboard of a frame,
beside the local mean, at any density of emitters. Whether F² is 1 or 2 shows in the skewness of dark places: the third
cumulant over the second is g without and 3 g with electron multiplication, 1 or 1.5 times the slope of the line.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, uniform_filter

from model.errors import InputError

Floats = NDArray[np.float64]

_REACH, _FINENESS = 5, 1.6
_BINS, _BRIGHTEST = 24, 0.98
_DARKEST = 0.1
_SKEW_BORDER = 1.22
_ALIKE = 1.25
"""Up to so many times the variance of dark places may differ from the line before they count as not dark."""
_SKEW_DOUBT, _GAIN_WEIGHT, _MIDDLE_SLOPE = 0.12, 2.0, 5.0
"""How sure skewness is of the kind, and gain: of a slope of e times the middle one as sure as of two doubts."""


class CameraNoise(NamedTuple):
    """A camera as its noise shows it."""

    camera: Literal["emccd", "scmos"]
    counts_per_electron: float
    baseline: float
    """Counts of a dark pixel; read noise makes it a little low."""
    is_certain: bool
    """Whether skewness and gain speak for the same kind."""

    @property
    def excess(self) -> float:
        """F²."""
        return 2.0 if self.camera == "emccd" else 1.0


def camera_noise(frames: Floats, camera: Literal["auto", "emccd", "scmos"] = "auto") -> CameraNoise:
    """The camera of frames (T, Y, X), its kind where that is known.

    Raises:
        InputError: the noise does not grow with the light.
    """
    slope, baseline = transfer_line(frames)
    if not slope > 0:
        raise InputError(
            "the noise of the movie does not grow with its light, so its gain cannot be told; "
            "give raw camera frames, neither averaged nor filtered"
        )
    found, certain = _kind(frames, slope, baseline)
    kind = found if camera == "auto" else camera
    return CameraNoise(kind, slope / (2.0 if kind == "emccd" else 1.0), baseline, certain or camera != "auto")


def transfer_line(frames: Floats) -> tuple[float, float]:
    """Slope F² g and baseline of the photon transfer line of frames (T, Y, X)."""
    along = np.arange(-_REACH, _REACH + 1)
    checkered = np.exp(-(along**2) / (2 * _FINENESS**2)) * (-1.0) ** along
    checkered /= np.sqrt((checkered**2).sum())
    fixed = frames.mean(axis=0)  # a pattern that does not change is no noise
    inner = (slice(None), slice(_REACH, -_REACH), slice(_REACH, -_REACH))
    variance = _filtered(frames - fixed, checkered)[inner].ravel() ** 2 / (1.0 - 1.0 / len(frames))
    mean = _filtered(frames, checkered**2)[inner].ravel()
    bins = np.digitize(mean, np.quantile(mean, np.linspace(0.0, _BRIGHTEST, _BINS + 1)[1:]))
    held = np.maximum(np.bincount(bins), 1)
    light, noise = ((np.bincount(bins, values) / held)[:-1] for values in (mean, variance))
    slope, level = np.polyfit(light, noise, 1, w=1.0 / np.maximum(noise, 1e-12))
    return float(slope), float(-level / slope) if slope else 0.0


def _kind(frames: Floats, slope: float, baseline: float) -> tuple[Literal["emccd", "scmos"], bool]:
    """By the skewness of dark places, in which the average of the frames before and after is taken away."""
    around = (uniform_filter(frames, (1, 5, 5)) * 25.0 - frames) / 24.0  # without the pixel itself
    brightest = np.maximum(np.maximum(around[:-2], around[1:-1]), around[2:])
    dark = brightest <= np.quantile(brightest, _DARKEST)
    noise = (frames[1:-1] - 0.5 * (frames[:-2] + frames[2:]))[dark]
    noise -= noise.mean()
    variance, third = (noise**2).mean() / 1.5, (noise**3).mean() / 0.75
    expected = slope * max(float(around[1:-1][dark].mean()) - baseline, 1e-9)
    by_gain = _GAIN_WEIGHT * np.log(slope / _MIDDLE_SLOPE)
    if max(variance / expected, expected / variance) > _ALIKE:
        return ("emccd" if by_gain > 0 else "scmos"), False
    by_skewness = (third / variance / slope - _SKEW_BORDER) / _SKEW_DOUBT
    return ("emccd" if by_gain + by_skewness > 0 else "scmos"), bool(by_gain * by_skewness > 0)


def _filtered(frames: Floats, kernel: Floats) -> Floats:
    return np.asarray(convolve1d(convolve1d(frames, kernel, axis=1, mode="reflect"), kernel, axis=2, mode="reflect"))
