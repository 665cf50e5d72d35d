"""How the score depends on crowding, and the distance of two sets of points as a whole."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from model.config import CLASSES
from model.emitters import Emitters, LabelledMovie
from model.scoring.verdicts import Verdict
from model.targets import count_map


def class_recall(movie: LabelledMovie, verdict: Verdict) -> NDArray[np.float64]:
    """Share found of the reliable emitters in pixels with 1, 2 and 3+ emitters, (3,); NaN where there are none."""
    emitters = movie.emitters
    pixel = (emitters.frame, np.floor(emitters.y_px).astype(np.int64), np.floor(emitters.x_px).astype(np.int64))
    held = count_map(emitters, movie.frames.shape)[pixel]  # (N,)
    required = np.bincount(held[verdict.required], minlength=CLASSES)[1:]
    found = np.bincount(held[verdict.found], minlength=CLASSES)[1:]
    return np.where(required > 0, found / np.maximum(required, 1), np.nan)


def rmsmd(truth: Emitters, predicted: Emitters, pixel_nm: float) -> float:
    """Root mean square minimum distance of the two images as sets of points, frames united, nm.

    `RMSMD² = (Σ_x min_y |x − y|² + Σ_y min_x |x − y|²) / (N + M)` (Sun 2018). One false point far away weighs much.
    NaN where a set is empty.
    """
    if not truth.rows or not predicted.rows:
        return math.nan
    true, found = (np.column_stack([each.x_px, each.y_px]) for each in (truth, predicted))
    both = np.concatenate([cKDTree(found).query(true)[0], cKDTree(true).query(found)[0]])
    return pixel_nm * math.sqrt(float((both**2).mean()))
