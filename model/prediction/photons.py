"""How bright candidates are: the light of all of them fitted at once to the image, their places held.

Places from a count map are good to a third of a pixel, which changes an amplitude little. What a count is in photons is
the camera's, which a file does not tell; the number is given.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from model.emitters import Emitters
from model.fitting.images import Windows

Floats = NDArray[np.float64]

USUAL_SIGMA_PX = 1.1
ROUNDS = 9
REACH_SIGMA = 2.5
"""Half width of the window in which an emitter's light is looked for, sigma."""
BACKGROUND_PX = 6.0


class Scale(NamedTuple):
    """What counts mean."""

    photons_per_count: float = 45.0 / 300.0 / 0.9
    """Of the EMCCD of the SMLM Challenge 2016: 45 electrons per count, gain 300, quantum efficiency 0.9."""
    sigma_px: float = USUAL_SIGMA_PX
    """Standard deviation of the point spread function."""


def with_photons(candidates: Emitters, counts: NDArray[Any], scale: Scale) -> Emitters:
    """The candidates with the photons that explain counts (T, Y, X) best.

    Least squares by relaxation (Landweber), light never negative, over a background that is smooth in every frame.
    """
    parts = []
    for frame, image in enumerate(counts):
        here = candidates.of_frame(frame)
        parts.append(_photons(here.shifted(frames=-frame), image.astype(np.float64) * scale.photons_per_count, scale))
    return candidates._replace(photons=np.concatenate([np.zeros(0), *parts]))


def _photons(candidates: Emitters, image: Floats, scale: Scale) -> Floats:
    windows = Windows.of(candidates, (1, *image.shape), math.ceil(REACH_SIGMA * scale.sigma_px))
    share = windows.light(candidates.x_px, candidates.y_px, scale.sigma_px)
    crowd = (windows.gather(windows.spread(share)) * share).sum(axis=1)
    background, light = np.percentile(image, 20.0) + np.zeros_like(image), np.zeros(candidates.rows)
    for step in range(ROUNDS):
        left = image - windows.spread(light[:, None] * share)[0] - background
        light = np.maximum(light + (windows.gather(left[None]) * share).sum(axis=1) / crowd, 0.0)
        if step % 3 == 2:
            background = background + gaussian_filter(left, BACKGROUND_PX, mode="nearest", truncate=2.0)
    return light
