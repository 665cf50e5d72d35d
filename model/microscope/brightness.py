"""How bright, how many and how lasting the emitters are, from cumulants: it needs no emitter to be told from another.

Emitters that know nothing of each other add up their cumulants: the n-th one of an image filtered to f is
`density · E[photons^n] · ∫ fⁿ` (Campbell's theorem). The third over the second gives the photons whatever the
background, the second then the density, and what their light leaves of the mean is background. How much of a frame's
light is in the next one tells the ON time.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d
from scipy.optimize import brentq

from model.errors import InputError
from model.microscope.noise import CameraNoise
from model.photophysics import Kinetics, blink, shine
from model.psf import pixel_shares

Floats = NDArray[np.float64]

SPREAD = 0.3
"""Relative standard deviation of the photons, which a movie does not tell apart from edges of ON times."""
_FINE, _COARSE = 0.8, 1.6
"""Widths of the two Gaussians whose difference passes spots, over theirs."""
_ON_FRAMES = (0.1, 60.0)
_POSITIONS = 10


class Brightness(NamedTuple):
    """Emitters as the cumulants of an image show them."""

    electrons: float
    """Of an emitter in a frame in which it shines throughout."""
    per_px: float
    """Rows with at least 1 % of full light, per frame and px."""
    mean_on_frames: float
    background: float
    """Electrons per px and frame."""


def brightness(frames: Floats, sigma_px: float, noise: CameraNoise) -> Brightness:
    """The emitters of frames (T, Y, X) in camera counts.

    Raises:
        InputError: what changes in the movie is not brighter than it is dark, as spots are.
    """
    fine, coarse = (_kernel(factor * sigma_px, _reach(sigma_px)) for factor in (_FINE, _COARSE))
    light = (frames - noise.baseline) / noise.counts_per_electron  # electrons
    mean, length = float(light.mean()), len(frames)
    inner = slice(_reach(sigma_px), -_reach(sigma_px) or None)
    seen = _passed(light - light.mean(axis=0), fine, coarse)[:, inner, inner]
    kernel = np.outer(fine, fine) - np.outer(coarse, coarse)
    second = (float((seen**2).mean()) - noise.excess * mean * float((kernel**2).sum())) / (1 - 1 / length)
    third_noise = (6.0 if noise.camera == "emccd" else 1.0) * mean * float((kernel**3).sum())
    third = (float((seen**3).mean()) - third_noise) / ((1 - 1 / length) * (1 - 2 / length))
    if not (second > 0 and third > 0):
        raise InputError("no blinking spots stand out of the noise; give a movie in which emitters can be seen")
    on = _on_frames((float((seen[1:] * seen[:-1]).mean()) + second / length) / second)
    first_share, second_share, third_share = _share_moments(on)
    second_of, third_of = _spot_sums(sigma_px, fine, coarse)
    second, third = second / second_of / (1 + SPREAD**2), third / third_of / (1 + 3 * SPREAD**2)
    electrons = third / second * second_share / third_share
    per_px = second / (second_share * electrons**2)
    return Brightness(electrons, per_px, on, mean - per_px * first_share * electrons)


def _on_frames(likeness: float) -> float:
    """Mean ON time at which consecutive frames are so much alike."""
    low, high = (_likeness(on) for on in _ON_FRAMES)
    if not low < likeness < high:
        return _ON_FRAMES[likeness >= high]
    return float(brentq(lambda on: _likeness(on) - likeness, *_ON_FRAMES))


def _likeness(on: float) -> float:
    """Covariance of the light of a frame and the next over the variance: `exp(−t / on)` integrated over both."""
    gone = 1.0 - np.exp(-1.0 / on)
    return float(on * gone**2 / (2.0 * (1.0 - on * gone)))


def _share_moments(on: float) -> list[float]:
    """Mean, mean square and mean cube of the share of a frame in which a row shines."""
    share = shine(blink(1000.0, Kinetics(on), 200, np.random.default_rng(0)), 200).share
    return [float((share**power).mean()) for power in (1, 2, 3)]


def _spot_sums(sigma_px: float, fine: Floats, coarse: Floats) -> tuple[float, float]:
    """Sums of the squares and cubes of a filtered spot of one photon, averaged over its place within a pixel."""
    reach = _reach(sigma_px) + int(np.ceil(5 * sigma_px))
    places = (np.arange(_POSITIONS) + 0.5) / _POSITIONS
    spots = pixel_shares(places, sigma_px, reach)  # (P, W)
    passed = [np.stack([np.convolve(spot, kernel, "same") for spot in spots]) for kernel in (fine, coarse)]
    images = (each[:, None, :, None] * each[None, :, None, :] for each in passed)
    difference = next(images) - next(images)  # (P, P, W, W)
    second, third = (float((difference**power).sum()) / _POSITIONS**2 for power in (2, 3))
    return second, third


def _passed(frames: Floats, fine: Floats, coarse: Floats) -> Floats:
    blurred = (convolve1d(convolve1d(frames, kernel, axis=1), kernel, axis=2) for kernel in (fine, coarse))
    return np.asarray(next(blurred) - next(blurred))


def _kernel(sigma_px: float, reach: int) -> Floats:
    weights = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma_px**2))
    return np.asarray(weights / weights.sum())


def _reach(sigma_px: float) -> int:
    return int(np.ceil(4 * _COARSE * sigma_px))
