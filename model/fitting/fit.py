"""Positions and photons of overlapping emitters, all of a block of frames at once, with what was known before.

The image is a background and a Gaussian for each emitter. Fisher scoring maximises the likelihood of the counts, with
the variance of the camera model as weight (Poisson's own, raised by the gain's excess, plus read noise: Huang et al.
2013, Chao et al. 2013); each step solves for all emitters together by conjugate gradients, so overlap costs nothing.
Number and first places come from the count map, and so does how far they may be off: a Gaussian prior holds each
position near its place, and a weak one the photons near the usual, without which two emitters on one spot trade light.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from model.emitters import Emitters
from model.fitting.images import Shape, Shares, Windows

Floats = NDArray[np.float64]

STEPS, INNER_STEPS = 12, 10
"""Steps of Fisher scoring, and of conjugate gradients in each."""
FARTHEST_STEP_PX = 0.3
FARTHEST_PX = 1.5
"""An emitter never moves further from its first place than this: its window ends there."""
PHOTONS_SPREAD = 1.0
"""Standard deviation of the prior on photons, over their median."""
BACKGROUND_PX = 6.0
"""Smoothness of the background: standard deviation of what it is blurred with."""
LEAST_PHOTONS = 1.0


class Optics(NamedTuple):
    """What the fit must know of microscope and camera."""

    sigma_px: float
    """Standard deviation of the point spread function."""
    excess: float = 2.0
    """F²: 2 for an EMCCD, else 1."""
    read_photons: float = 0.0
    """Read noise, in photons at the input."""


class Fitted(NamedTuple):
    """The result of a fit."""

    emitters: Emitters
    weight: Floats  # (T, Y, X)
    """1 over the variance of each pixel."""
    background: Floats  # (Y, X)


class _State(NamedTuple):
    """N emitters during the fit."""

    place: Floats  # (3, N)
    """x, y and photons."""
    background: Floats  # (Y, X)


def fit(photons: Floats, seeds: Emitters, optics: Optics, error_px: float) -> Fitted:
    """Fit a block of frames.

    Args:
        photons: the movie in photons, (T, Y, X).
        seeds: candidates within the movie.
        optics: of the microscope.
        error_px: standard deviation of a candidate's position along each axis.
    """
    windows = Windows.around(seeds, _shape(photons), optics.sigma_px)
    first = np.stack([seeds.x_px, seeds.y_px])
    state = _begin(photons, windows, seeds, optics)
    for _ in range(STEPS):
        usual = max(float(np.median(state.place[2])), LEAST_PHOTONS) if seeds.rows else LEAST_PHOTONS
        prior = np.array([error_px**-2, error_px**-2, (PHOTONS_SPREAD * usual) ** -2])
        state = _step(photons, windows, state, optics, _Prior(np.vstack([first, np.full(seeds.rows, usual)]), prior))
    x, y, n = state.place
    _, weight = _expected(windows, state, optics, windows.shares(x, y, optics.sigma_px))
    return Fitted(seeds._replace(x_px=x, y_px=y, photons=n), weight, state.background)


class _Prior(NamedTuple):
    mean: Floats  # (3, N)
    precision: Floats  # (3,)


def _begin(photons: Floats, windows: Windows, seeds: Emitters, optics: Optics) -> _State:
    """Light above a low percentile of the movie, as each candidate's window sees it alone."""
    background = np.full(photons.shape[1:], np.percentile(photons, 20.0))
    light = windows.shares(seeds.x_px, seeds.y_px, optics.sigma_px).light
    crowd = windows.gather(windows.spread(light))
    seen = (windows.gather(photons - background) * light).sum(axis=1)
    bright = np.maximum(seen / np.maximum((crowd * light).sum(axis=1), 1e-9), LEAST_PHOTONS)
    return _State(np.stack([seeds.x_px, seeds.y_px, bright]), background)


def _step(photons: Floats, windows: Windows, state: _State, optics: Optics, prior: _Prior) -> _State:
    x, y, n = state.place
    shares = windows.shares(x, y, optics.sigma_px)
    expected, weight = _expected(windows, state, optics, shares)
    left = photons - expected
    slopes = shares.slopes(n)
    pull = (windows.gather(weight * left) * slopes).sum(axis=2)  # (3, N)
    pull -= prior.precision[:, None] * (state.place - prior.mean)
    change = _solve(windows, weight, slopes, prior.precision, pull)
    change[:2] = np.clip(change[:2], -FARTHEST_STEP_PX, FARTHEST_STEP_PX)
    background = state.background + _smooth(left, weight)
    return _State(_held(state.place + change, prior.mean, _shape(photons)), background)


def _expected(windows: Windows, state: _State, optics: Optics, shares: Shares) -> tuple[Floats, Floats]:
    expected = windows.spread(state.place[2][:, None] * shares.light) + state.background
    variance = optics.excess * np.maximum(expected, 0.1) + optics.read_photons**2
    return expected, 1.0 / variance


def _solve(windows: Windows, weight: Floats, slopes: Floats, precision: Floats, pull: Floats) -> Floats:
    """Conjugate gradients for `(J' W J + P) change = pull`, each emitter's own 3×3 block as preconditioner."""
    seen = windows.gather(weight)
    own = np.einsum("anp,np,bnp->nab", slopes, seen, slopes) + np.diag(precision)
    inverse = np.linalg.inv(own)

    def curved(direction: Floats) -> Floats:
        image = windows.spread((slopes * direction[:, :, None]).sum(axis=0))
        return np.asarray((windows.gather(weight * image) * slopes).sum(axis=2) + precision[:, None] * direction)

    change, left = np.zeros_like(pull), pull
    better = np.einsum("nab,bn->an", inverse, left)
    direction, size = better, float((left * better).sum())
    for _ in range(INNER_STEPS):
        bent = curved(direction)
        length = size / max(float((direction * bent).sum()), 1e-300)
        change, left = change + length * direction, left - length * bent
        better = np.einsum("nab,bn->an", inverse, left)
        size, before = float((left * better).sum()), size
        direction = better + size / max(before, 1e-300) * direction
    return change


def _smooth(left: Floats, weight: Floats) -> Floats:
    """What the residual says of a background that is smooth and does not change within the block, (Y, X)."""
    sums = [gaussian_filter((each).sum(axis=0), BACKGROUND_PX, mode="nearest") for each in (weight * left, weight)]
    return np.asarray(sums[0] / sums[1])


def _held(place: Floats, first: Floats, shape: Shape) -> Floats:
    """Within reach of the first place, within the field, and alight."""
    low = np.maximum(first[:2] - FARTHEST_PX, 0.0)
    high = np.minimum(first[:2] + FARTHEST_PX, np.array([[shape[2]], [shape[1]]]) - 1e-6)
    return np.vstack([np.clip(place[:2], low, high), np.maximum(place[2:], LEAST_PHOTONS)])


def _shape(movie: Floats) -> Shape:
    frames, height, width = movie.shape
    return frames, height, width
