"""The rules of the SMLM Challenge 2016, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.emitters import Emitters, LabelledMovie
from model.scoring.challenge import challenge_scores
from model.scoring.verdicts import Judged


def judged(truth: list[tuple[float, float]], found: list[tuple[float, float]]) -> Judged:
    movie = LabelledMovie(np.zeros((1, 64, 80), np.uint16), row(truth), 100.0)
    return Judged(movie, row(found))


def row(places: list[tuple[float, float]]) -> Emitters:
    return Emitters.of(np.zeros(len(places), int), *np.array(places, float).reshape(-1, 2).T)


def test_what_lies_in_the_border_counts_for_nothing() -> None:
    scores = challenge_scores(judged([(20, 20), (4.4, 20), (75.6, 20)], [(20, 20), (20, 4.4), (20, 59.6)]))
    assert scores.jaccard == 1
    assert challenge_scores(judged([(4.6, 20)], [])).jaccard == 0


def test_a_plane_is_scored_by_its_lateral_efficiency() -> None:
    scores = challenge_scores(judged([(20, 20), (40, 40)], [(20.3, 20.4)]))
    assert scores.jaccard == 0.5
    assert scores.efficiency == pytest.approx(100 - math.hypot(50, 50))


def test_pairs_in_a_volume_agree_within_500_nm_of_depth_and_axial_errors_weigh_half() -> None:
    both = [(20.0, 20.0), (40.0, 40.0)]
    flat = judged(both, both)
    movie = flat.movie._replace(emitters=flat.movie.emitters._replace(z_nm=np.array([0.0, 0.0])))
    scores = challenge_scores(Judged(movie, flat.predicted._replace(z_nm=np.array([100.0, 501.0]))))
    assert scores.jaccard == pytest.approx(1 / 3)
    j = 100 - 100 / 3
    assert scores.efficiency == pytest.approx((100 - j + 100 - math.hypot(j, 50)) / 2)


def test_nothing_to_find_and_nothing_found_is_perfect() -> None:
    scores = challenge_scores(judged([], []))
    assert scores.jaccard == 1
