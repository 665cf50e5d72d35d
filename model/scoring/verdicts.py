"""What became of each truth and each prediction: found or missed, hit, false or forgiven.

`knn_matched`, the headline, pairs truths and predictions one to one. `knn_lenient` asks of each prediction only that
one of its k nearest truths lies within the radius, and likewise of each truth; the nearest decides that, so k does not
matter.

Truths below the SNR threshold are neither required nor forbidden: reliable truths are matched first, and a prediction
that only a weak truth explains is left out of the count.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.emitters import Emitters, LabelledMovie
from model.scoring.matching import MOST_PAIRS, Pairing, Pairs, match, within_reach

Rule = Literal["knn_matched", "knn_lenient"]
Mask = NDArray[np.bool_]


class Judged(NamedTuple):
    """A movie with its truth and what was found in it."""

    movie: LabelledMovie
    predicted: Emitters


class Criterion(NamedTuple):
    """What counts as found."""

    rule: Rule = "knn_matched"
    snr_threshold: float = 0.0
    """Truths with a lower SNR are neither required nor forbidden."""
    pairing: Pairing = MOST_PAIRS
    """For `knn_matched` only."""


MATCHED = Criterion()
"""The headline, on all truths."""


class Verdict(NamedTuple):
    """What became of each truth and each prediction."""

    required: Mask  # (N,)
    """Truths that are reliable, and so must be found."""
    found: Mask  # (N,)
    hit: Mask  # (M,)
    forgiven: Mask  # (M,)
    """Predictions that only a weak truth explains: neither hits nor false."""
    distance_px: NDArray[np.float64]
    """From each hit to its truth; for `knn_lenient` to the nearest one."""


def judge(truth: Emitters, predicted: Emitters, radius_px: float, criterion: Criterion = MATCHED) -> Verdict:
    """Decide about every truth and every prediction.

    Raises:
        ValueError: the radius is not positive.
    """
    required = truth.snr >= criterion.snr_threshold
    reliable = _pairs(truth.select(required), predicted, radius_px, criterion)
    hit = _mask(reliable.predicted, predicted.rows)
    weak = _pairs(truth.select(~required), predicted.select(~hit), radius_px, criterion)
    return Verdict(
        required=required,
        found=_mask(np.flatnonzero(required)[reliable.truth], truth.rows),
        hit=hit,
        forgiven=_mask(np.flatnonzero(~hit)[weak.predicted], predicted.rows),
        distance_px=_nearest_distance(reliable),
    )


def _pairs(truth: Emitters, predicted: Emitters, radius_px: float, criterion: Criterion) -> Pairs:
    if criterion.rule == "knn_lenient":
        return within_reach(truth, predicted, radius_px)
    return match(truth, predicted, radius_px, criterion.pairing)


def _nearest_distance(pairs: Pairs) -> NDArray[np.float64]:
    nearest_first = pairs.select(np.argsort(pairs.distance_px, kind="stable"))
    _, first = np.unique(nearest_first.predicted, return_index=True)
    return nearest_first.distance_px[first]


def _mask(rows: NDArray[np.int64], length: int) -> Mask:
    mask = np.zeros(length, bool)
    mask[rows] = True
    return mask
