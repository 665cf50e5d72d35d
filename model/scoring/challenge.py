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


def challenge_scores(
    judged: Judged, depths_nm: tuple[Floats, Floats] | None = None, rules: Rules = CHALLENGE
) -> ChallengeScores:
    """Score a movie as the challenge does.

    Args:
        judged: the movie, its truth and the localisations.
        depths_nm: z of the truths (N,) and of the localisations (M,), where a pair must agree in depth too.
        rules: the constants.
    """
    movie = judged.movie
    kept = [_off_border(each, movie.frames.shape, rules.border_nm / movie.pixel_nm) for each in _both(judged)]
    truth, predicted = (each.select(rows) for each, rows in zip(_both(judged), kept, strict=True))
    depths = None
    if depths_nm is not None:
        depths = Depths(depths_nm[0][kept[0]], depths_nm[1][kept[1]], rules.axial_nm)
    pairs = match(truth, predicted, rules.radius_nm / movie.pixel_nm, Pairing("greedy", depths=depths))
    lateral_nm = _rms(pairs.distance_px * movie.pixel_nm, rules.radius_nm)
    axial_nm = math.nan
    if depths is not None:
        axial_nm = _rms(depths.truth_nm[pairs.truth] - depths.predicted_nm[pairs.predicted], rules.axial_nm)
    return _scores(len(pairs.truth), truth.rows, predicted.rows, (lateral_nm, axial_nm), rules)


def _both(judged: Judged) -> tuple[Emitters, Emitters]:
    return judged.movie.emitters, judged.predicted


def _off_border(emitters: Emitters, shape: tuple[int, ...], border_px: float) -> NDArray[np.bool_]:
    inner = emitters.shifted(x_px=-border_px, y_px=-border_px)
    reach = np.array(shape[1:]) - 2 * border_px
    return np.asarray((inner.x_px >= 0) & (inner.x_px <= reach[1]) & (inner.y_px >= 0) & (inner.y_px <= reach[0]))


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
