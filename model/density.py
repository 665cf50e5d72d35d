"""How crowded a movie is: the mean density over the field, and the density that an emitter sees around itself.

On structures the two part: the "high density" training set of the SMLM Challenge 2016 has 0.31 emitters per um² and
frame over its field, and 1.2 within 500 nm of an emitter. Both belong beside a score.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from model.emitters import Emitters

AROUND_NM = 500.0


class Density(NamedTuple):
    """Emitter rows per frame and um²."""

    field: float
    """Over the whole field."""
    local: float
    """Within 500 nm of an emitter, itself not counted; equal to `field` where emitters know nothing of each other."""


def density_of(emitters: Emitters, shape: tuple[int, int, int], pixel_nm: float) -> Density:
    """Both densities of the rows within a movie of shape (T, Y, X).

    `local` is the mean, over the rows at least 500 nm from the border, of the number of other rows of their frame
    within 500 nm, over the area of that disc; NaN where there is no such row.
    """
    seen = emitters.select(emitters.inside(shape))
    frames, height, width = shape
    field = seen.rows / (frames * height * width * (pixel_nm / 1000.0) ** 2)
    radius_px = AROUND_NM / pixel_nm
    space = np.column_stack([seen.x_px, seen.y_px, seen.frame * 4.0 * radius_px])  # (N, 3), frames far apart
    inner = np.all((space[:, :2] >= radius_px) & (space[:, :2] < np.array([width, height]) - radius_px), axis=1)
    if not inner.any():
        return Density(field, float("nan"))
    neighbours = cKDTree(space).query_ball_point(space[inner], radius_px, return_length=True) - 1  # (M,)
    return Density(field, float(np.mean(neighbours)) / (np.pi * (AROUND_NM / 1000.0) ** 2))
