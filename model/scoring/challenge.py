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


class Rules(NamedTuple):
    """The challenge's constants."""

    radius_nm: float = 250.0
    axial_nm: float = 500.0
    border_nm: float = 450.0
    """Truths and predictions nearer to the border than this are dropped."""
    lateral_per_nm: float = 1.0
    axial_per_nm: float = 0.5
    """α of the two efficiencies."""


CHALLENGE = Rules()


class ChallengeScores(NamedTuple):
    """What the challenge reports."""

    jaccard: float
    recall: float
    precision: float
    f1: float
    rmse_lateral_nm: float
    """The radius where there is no hit."""
    rmse_axial_nm: float
    """Likewise; NaN in a plane."""
    efficiency_lateral: float
    efficiency_axial: float
    efficiency: float
    """Mean of the two; in a plane the lateral one."""


def challenge_scores(judged: Judged, rules: Rules = CHALLENGE) -> ChallengeScores:
    """Score a movie as the challenge does; pairs must agree in depth too where it is known of all truths and finds."""
    movie = judged.movie
    border_px = rules.border_nm / movie.pixel_nm
    truth, predicted = (_inner(each, movie.frames.shape, border_px) for each in (movie.emitters, judged.predicted))
    depths = None
    if all(each.rows and np.isfinite(each.z_nm).all() for each in (truth, predicted)):
        depths = Depths(truth.z_nm, predicted.z_nm, rules.axial_nm)
    pairs = match(truth, predicted, rules.radius_nm / movie.pixel_nm, Pairing("greedy", depths=depths))
    lateral_nm = _rms(pairs.distance_px * movie.pixel_nm, rules.radius_nm)
    axial_nm = math.nan
    if depths is not None:
        axial_nm = _rms(truth.z_nm[pairs.truth] - predicted.z_nm[pairs.predicted], rules.axial_nm)
    return _scores(len(pairs.truth), truth.rows, predicted.rows, (lateral_nm, axial_nm), rules)


def _inner(emitters: Emitters, shape: tuple[int, ...], border_px: float) -> Emitters:
    """Those off the border."""
    x, y = emitters.x_px - border_px, emitters.y_px - border_px
    height, width = (size - 2 * border_px for size in shape[1:])
    return emitters.select((x >= 0) & (x <= width) & (y >= 0) & (y <= height))


def _rms(values: Floats, without: float) -> float:
    return math.sqrt(float((values**2).mean())) if len(values) else without


def _scores(hits: int, truths: int, found: int, rmse_nm: tuple[float, float], rules: Rules) -> ChallengeScores:
    union = truths + found - hits
    jaccard = hits / union if union else 1.0
    recall, precision = (hits / number if number else float(not union) for number in (truths, found))
    f1 = 2 * jaccard / (1 + jaccard)
    lateral = efficiency(jaccard, rmse_nm[0], rules.lateral_per_nm)
    axial = efficiency(jaccard, rmse_nm[1], rules.axial_per_nm)
    mean = lateral if math.isnan(axial) else (lateral + axial) / 2
    return ChallengeScores(jaccard, recall, precision, f1, *rmse_nm, lateral, axial, mean)
