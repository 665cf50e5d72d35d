"""Numbers made of verdicts, which can be pooled over movies and resampled.

A `Tally` counts; tallies add up, so the scores of many movies together (micro averages) are those of the sum of their
tallies. Intervals resample whole movies (Efron 1979): frames of one movie share molecules, so they are no independent
draws.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.emitters import Emitters
from model.scoring.verdicts import MATCHED, Criterion, Verdict, judge

RESAMPLES = 1000
INTERVAL = 0.95
"""Share of resamples that an interval holds."""


class Tally(NamedTuple):
    """What is counted of one movie, or of many."""

    found: int = 0
    """Reliable truths that were found."""
    truths: int = 0
    """Reliable truths."""
    hits: int = 0
    """Predictions that hit; equal to `found` where pairs are one to one."""
    predictions: int = 0
    """All but the forgiven ones."""
    squared_nm2: float = 0.0
    """Sum over hits of the squared distance to their truth."""
    weak: int = 0
    """Truths below the SNR threshold."""

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally.of(np.add(self, other))

    @classmethod
    def of(cls, numbers: Sequence[float] | NDArray[np.float64]) -> Tally:
        """The tally of its numbers in order."""
        found, truths, hits, predictions, squared_nm2, weak = numbers
        return cls(int(found), int(truths), int(hits), int(predictions), float(squared_nm2), int(weak))


class Scores(NamedTuple):
    """Numbers over all frames together (micro averages)."""

    precision: float
    recall: float
    f1: float
    jaccard: float
    rmse_nm: float
    """Lateral, over hits; the radius, which no hit can exceed, where there is no hit."""
    efficiency: float
    """Percent, at the challenge's α of 1 per nm, see `efficiency`."""
    truths: int
    predictions: int
    excluded_share: float
    """Truths below the SNR threshold over all truths."""


def score(
    truth: Emitters, predicted: Emitters, radius_px: float, pixel_nm: float, criterion: Criterion = MATCHED
) -> Scores:
    """Score localisations against the truth, at a radius in px.

    Raises:
        ValueError: the radius is not positive.
    """
    return summarise(count(judge(truth, predicted, radius_px, criterion), pixel_nm), radius_px * pixel_nm)


def count(verdict: Verdict, pixel_nm: float) -> Tally:
    """The tally of a verdict."""
    truths = int(verdict.required.sum())
    return Tally(
        found=int(verdict.found.sum()),
        truths=truths,
        hits=int(verdict.hit.sum()),
        predictions=int((~verdict.forgiven).sum()),
        squared_nm2=float((verdict.distance_px**2).sum()) * pixel_nm**2,
        weak=len(verdict.required) - truths,
    )


def summarise(tally: Tally, radius_nm: float) -> Scores:
    """The scores of a tally.

    Precision and recall are hits over predictions and found truths over truths, `F1 = 2 P R / (P + R)`, and
    `Jaccard = F1 / (2 − F1)`, which for one-to-one pairs is hits / (hits + false + missed). With nothing to find and
    nothing predicted all four are 1.
    """
    if tally.truths == tally.predictions == 0:
        precision = recall = f1 = 1.0
    else:
        precision, recall = tally.hits / max(tally.predictions, 1), tally.found / max(tally.truths, 1)
        f1 = 2 * precision * recall / (precision + recall) if tally.hits else 0.0
    jaccard = f1 / (2 - f1)
    rmse_nm = math.sqrt(tally.squared_nm2 / tally.hits) if tally.hits else radius_nm
    excluded = tally.weak / max(tally.truths + tally.weak, 1)
    percent = efficiency(jaccard, rmse_nm)
    return Scores(precision, recall, f1, jaccard, rmse_nm, percent, tally.truths, tally.predictions, excluded)


def efficiency(jaccard: float, rmse_nm: float, alpha_per_nm: float = 1.0) -> float:
    """`100 − sqrt((100 − J)² + α² RMSE²)` with J in percent: the challenge's one number, percent (Sage et al. 2019)."""
    return 100.0 - math.hypot(100.0 - 100.0 * jaccard, alpha_per_nm * rmse_nm)


def pooled(tallies: Sequence[Tally]) -> Tally:
    """All movies together, for micro averages."""
    total = Tally()
    for tally in tallies:
        total = total.plus(tally)
    return total


def macro_f1(tallies: Sequence[Tally]) -> float:
    """Mean of the movies' F1: each movie counts the same, however many emitters it has."""
    return float(np.mean([summarise(tally, math.nan).f1 for tally in tallies]))


def interval(
    tallies: Sequence[Tally], statistic: Callable[[Tally], float], rng: np.random.Generator
) -> tuple[float, float]:
    """Where a number of the pooled tallies lies in 95 % of resamples of the movies.

    Raises:
        ValueError: there is no movie.
    """
    if not tallies:
        raise ValueError("an interval needs at least one movie, found none")
    draws = rng.integers(0, len(tallies), (RESAMPLES, len(tallies)))
    sums = np.asarray(tallies, np.float64)[draws].sum(axis=1)  # (RESAMPLES, counts)
    values = [statistic(Tally.of(row)) for row in sums]
    low, high = np.quantile(values, ((1 - INTERVAL) / 2, (1 + INTERVAL) / 2))
    return float(low), float(high)
