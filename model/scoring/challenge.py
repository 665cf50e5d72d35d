"""The rules of the SMLM Challenge 2016 (Sage et al. 2019): border, greedy pairs, axial tolerance, efficiency."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.emitters import Emitters
from model.scoring.matching import Depths, Pairing, match
from model.scoring.scores import efficiency
from model.scoring.verdicts import Judged

Floats = NDArray[np.float64]


RADIUS_NM, AXIAL_NM = 250.0, 500.0
"""How far the two of a pair may be apart in the plane, and in depth."""
BORDER_NM = 450.0
"""Truths and predictions nearer to the border than this are dropped."""
LATERAL_PER_NM, AXIAL_PER_NM = 1.0, 0.5
"""α of the two efficiencies."""


class ChallengeScores(NamedTuple):
    """What the challenge ranks by."""

    jaccard: float
    efficiency: float
    """Mean of the lateral and the axial one; in a plane the lateral one."""


def challenge_scores(judged: Judged) -> ChallengeScores:
    """Score a movie as the challenge does; pairs must agree in depth too where it is known of all truths and finds."""
    movie = judged.movie
    border_px = BORDER_NM / movie.pixel_nm
    truth, predicted = (_inner(each, movie.frames.shape, border_px) for each in (movie.emitters, judged.predicted))
    depths = None
    if all(each.rows and np.isfinite(each.z_nm).all() for each in (truth, predicted)):
        depths = Depths(truth.z_nm, predicted.z_nm, AXIAL_NM)
    pairs = match(truth, predicted, RADIUS_NM / movie.pixel_nm, Pairing("greedy", depths=depths))
    jaccard = _jaccard(len(pairs.truth), truth.rows, predicted.rows)
    lateral = efficiency(jaccard, _rms(pairs.distance_px * movie.pixel_nm, RADIUS_NM), LATERAL_PER_NM)
    if depths is None:
        return ChallengeScores(jaccard, lateral)
    off_nm = truth.z_nm[pairs.truth] - predicted.z_nm[pairs.predicted]
    axial = efficiency(jaccard, _rms(off_nm, AXIAL_NM), AXIAL_PER_NM)
    return ChallengeScores(jaccard, (lateral + axial) / 2)


def _inner(emitters: Emitters, shape: tuple[int, ...], border_px: float) -> Emitters:
    """Those off the border."""
    x, y = emitters.x_px - border_px, emitters.y_px - border_px
    height, width = (size - 2 * border_px for size in shape[1:])
    return emitters.select((x >= 0) & (x <= width) & (y >= 0) & (y <= height))


def _rms(values: Floats, without: float) -> float:
    """The root mean square of the errors of hits; `without` any it is the most that it could be."""
    return math.sqrt(float((values**2).mean())) if len(values) else without


def _jaccard(hits: int, truths: int, found: int) -> float:
    union = truths + found - hits
    return hits / union if union else 1.0
