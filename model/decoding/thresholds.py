"""The decoder's threshold τ: one number, chosen on validation movies, never on a movie that judges.

Movies of several densities choose together, each with the same weight, by the mean of their F1: a threshold that suits
crowded frames alone would cost the sparse ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.decoding.peeling import peel
from model.emitters import Emitters, LabelledMovie
from model.scoring.scores import score
from model.scoring.verdicts import Criterion

THRESHOLDS = tuple(step / 20 for step in range(4, 20))
"""Values of τ that are tried, 0.2 to 0.95."""


class Mapped(NamedTuple):
    """A labelled movie with what the network expects in it."""

    movie: LabelledMovie
    expected: NDArray[Any]  # (T, Y, X)
    """Expected emitters in each pixel, see `model.decoding.peeling.expected_counts`."""


def choose_threshold(mapped: Sequence[Mapped], radii_nm: Sequence[float], criterion: Criterion) -> float:
    """The τ with the highest mean F1 over movies and radii; among equals the one nearest to 0.5, the least committed.

    Every third value is tried, then those around the best.

    Raises:
        ValueError: there is no movie or no radius.
    """
    if not mapped or not radii_nm:
        raise ValueError("a threshold needs at least one movie and one radius to be chosen by")

    def worth(threshold: float) -> tuple[float, float]:
        return _mean_f1(mapped, threshold, radii_nm, criterion), -abs(threshold - 0.5)

    coarse = max(THRESHOLDS[1::3], key=worth)
    near = THRESHOLDS.index(coarse)
    return max(THRESHOLDS[max(near - 2, 0) : near + 3], key=worth)


def _mean_f1(mapped: Sequence[Mapped], threshold: float, radii_nm: Sequence[float], criterion: Criterion) -> float:
    found = [(movie, peel(expected, threshold)) for movie, expected in mapped]
    return float(np.mean([_f1(*each, radius_nm, criterion) for each in found for radius_nm in radii_nm]))


def _f1(movie: LabelledMovie, predicted: Emitters, radius_nm: float, criterion: Criterion) -> float:
    return score(movie.emitters, predicted, radius_nm / movie.pixel_nm, movie.pixel_nm, criterion).f1
