"""How bright candidates are: the light of all of them fitted at once to the image, their places held.

Places from a count map are good to a third of a pixel, which changes an amplitude little. What a count is in photons is
the camera's, which a file does not tell; the number is given.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from model.emitters import Emitters
from model.fitting.images import Windows

Floats = NDArray[np.float64]

USUAL_SIGMA_PX = 1.1
ROUNDS = 12
BACKGROUND_PX = 6.0


class Scale(NamedTuple):
    """What counts mean."""

    photons_per_count: float = 45.0 / 300.0 / 0.9
    """Of the EMCCD of the SMLM Challenge 2016: 45 electrons per count, gain 300, quantum efficiency 0.9."""
    sigma_px: float = USUAL_SIGMA_PX
    """Standard deviation of the point spread function."""


def with_photons(candidates: Emitters, counts: NDArray[np.float32], scale: Scale) -> Emitters:
    """The candidates with the photons that explain a block of counts (T, Y, X) best.

    Least squares by relaxation (Landweber), light never negative, over a smooth background that does not change within
    the block.
    """
    if not candidates.rows:
        return candidates
    movie = counts.astype(np.float64) * scale.photons_per_count
    windows = Windows.around(candidates, movie.shape, scale.sigma_px)
    share = windows.shares(candidates.x_px, candidates.y_px, scale.sigma_px).light
    crowd = (windows.gather(windows.spread(share)) * share).sum(axis=1)
    background = np.full(movie.shape[1:], np.percentile(movie, 20.0))
    light = np.zeros(candidates.rows)
    for _ in range(ROUNDS):
        left = movie - windows.spread(light[:, None] * share) - background
        light = np.maximum(light + (windows.gather(left) * share).sum(axis=1) / crowd, 0.0)
        background = background + gaussian_filter(left.mean(axis=0), BACKGROUND_PX, mode="nearest")
    return candidates._replace(photons=light)
