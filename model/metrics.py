"""How good localisations are: hits, misses and false ones within a radius, and the numbers made of them.

`knn_matched`, the headline, pairs truths and predictions one to one. `knn_lenient` asks of each prediction only that
one of its k nearest truths lies within the radius, and likewise of each truth; the nearest decides that, so k does not
matter. A crowded frame forgives much under either rule, so a score stands beside the same score with the frames
shuffled (`shuffled`): what it keeps of its value there is luck.

Truths below the SNR threshold are neither required nor forbidden: reliable truths are matched first, and a prediction
that only a weak truth explains is left out of the count.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.emitters import Emitters, LabelledMovie
from model.matching import Pairs, match, within_reach

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
    neighbours: int | None = None
    """k; None for all truths within the radius. For `knn_matched` only."""


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


class Scores(NamedTuple):
    """Numbers over all frames together (micro averages)."""

    precision: float
    recall: float
    f1: float
    jaccard: float
    rmse_nm: float
    """Lateral, over hits; the radius, which no hit can exceed, where there is no hit."""
    truths: int
    """Reliable ones."""
    predictions: int
    """All but the forgiven ones."""
    excluded_share: float
    """Truths below the SNR threshold over all truths."""


def score(
    truth: Emitters, predicted: Emitters, radius_px: float, pixel_nm: float, criterion: Criterion = MATCHED
) -> Scores:
    """Score localisations against the truth, at a radius in px.

    Precision and recall are hits over predictions and found truths over truths, `F1 = 2 P R / (P + R)`, and
    `Jaccard = F1 / (2 − F1)`, which for one-to-one pairs is hits / (hits + false + missed). With nothing to find and
    nothing predicted all four are 1.

    Raises:
        ValueError: the radius is not positive.
    """
    return summarise(judge(truth, predicted, radius_px, criterion), radius_px, pixel_nm)


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


def summarise(verdict: Verdict, radius_px: float, pixel_nm: float) -> Scores:
    """The numbers of a verdict."""
    truths, found = int(verdict.required.sum()), int(verdict.found.sum())
    predictions, hits = int((~verdict.forgiven).sum()), int(verdict.hit.sum())
    if truths == predictions == 0:
        precision = recall = f1 = 1.0
    else:
        precision, recall = hits / max(predictions, 1), found / max(truths, 1)
        f1 = 2 * precision * recall / (precision + recall) if hits else 0.0
    rmse_px = float(np.sqrt(np.mean(verdict.distance_px**2))) if hits else radius_px
    excluded = 1 - truths / len(verdict.required) if len(verdict.required) else 0.0
    return Scores(precision, recall, f1, f1 / (2 - f1), rmse_px * pixel_nm, truths, predictions, excluded)


def shuffled(predicted: Emitters, frames: int, rng: np.random.Generator) -> Emitters:
    """The control: predictions of each frame moved to another one, a quarter of the movie away or more.

    All frames move by the same drawn number, around the end of the movie: no frame keeps its predictions, and molecules
    that shine for some frames do not meet themselves again.

    Raises:
        ValueError: the movie has fewer than two frames.
    """
    if frames < 2:
        raise ValueError(f"a control with shuffled frames needs at least 2 frames, found {frames}")
    least = max(frames // 4, 1)
    moved = (predicted.frame + rng.integers(least, frames - least, endpoint=True)) % frames
    return Emitters.of(moved, predicted.x_px, predicted.y_px, predicted.photons, predicted.snr)


def _pairs(truth: Emitters, predicted: Emitters, radius_px: float, criterion: Criterion) -> Pairs:
    if criterion.rule == "knn_lenient":
        return within_reach(truth, predicted, radius_px)
    return match(truth, predicted, radius_px, criterion.neighbours)


def _nearest_distance(pairs: Pairs) -> NDArray[np.float64]:
    nearest_first = pairs.select(np.argsort(pairs.distance_px, kind="stable"))
    _, first = np.unique(nearest_first.predicted, return_index=True)
    return nearest_first.distance_px[first]


def _mask(rows: NDArray[np.int64], length: int) -> Mask:
    mask = np.zeros(length, bool)
    mask[rows] = True
    return mask
