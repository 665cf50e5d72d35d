"""The width of the point spread function, from the movie that is being fitted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from model.emitters import Emitters
from model.fitting.fit import Fitted, Optics, fit
from model.fitting.images import Windows

Floats = NDArray[np.float64]

ROUNDS = 5
NARROWEST_PX, WIDEST_PX = 0.5, 3.0
FRAMES = 20
"""So many frames tell it."""
_STEP_PX = 0.01


def fitted_width(photons: Floats, seeds: Emitters, optics: Optics, error_px: float) -> float:
    """Standard deviation of the point spread function that explains a movie (T, Y, X) best, px.

    Emitters and width are fitted in turn; `optics.sigma_px` is the first guess, and the answer where there are no
    seeds.
    """
    movie, few = photons[:FRAMES], seeds.select(seeds.frame < FRAMES)
    for _ in range(ROUNDS if few.rows else 0):
        change = _change_px(movie, fit(movie, few, optics, error_px), optics)
        optics = optics._replace(sigma_px=float(np.clip(optics.sigma_px + change, NARROWEST_PX, WIDEST_PX)))
    return optics.sigma_px


def _change_px(photons: Floats, fitted: Fitted, optics: Optics) -> float:
    """One step of Fisher scoring for the width alone."""
    narrow, wide = (_light(fitted, optics.sigma_px + step, photons) for step in (-_STEP_PX, _STEP_PX))
    slope = (wide - narrow) / (2 * _STEP_PX)
    left = photons - (wide + narrow) / 2 - fitted.background
    return float((fitted.weight * left * slope).sum() / max((fitted.weight * slope**2).sum(), 1e-12))


def _light(fitted: Fitted, sigma_px: float, photons: Floats) -> Floats:
    frames, height, width = photons.shape
    emitters = fitted.emitters
    windows = Windows.around(emitters, (frames, height, width), sigma_px)
    shares = windows.shares(emitters.x_px, emitters.y_px, sigma_px)
    return windows.spread(emitters.photons[:, None] * shares.light)
