"""Verdicts and scores: by hand, under curation, pooled and resampled."""

from __future__ import annotations

import numpy as np
import pytest

from model.emitters import Emitters
from model.scoring.scores import Tally, efficiency, interval, macro_f1, pooled, score, summarise
from model.scoring.verdicts import Criterion, judge

LENIENT = Criterion("knn_lenient")
PIXEL_NM = 100.0


def row(*x: float, snr: list[float] | float = np.inf, frame: int = 0) -> Emitters:
    """Emitters along a line."""
    return Emitters.of([frame] * len(x), x, 0.0, snr=snr)


def test_hits_misses_and_false_ones_by_hand() -> None:
    scores = score(row(0, 10, 20), row(0.3, 10.4, 30, 40), 1.0, PIXEL_NM)
    assert scores.precision == 2 / 4
    assert scores.recall == pytest.approx(2 / 3)
    assert scores.f1 == pytest.approx(4 / 7)
    assert scores.jaccard == pytest.approx(2 / 5)
    assert scores.rmse_nm == pytest.approx(100 * np.sqrt((0.3**2 + 0.4**2) / 2))
    assert (scores.truths, scores.predictions, scores.excluded_share) == (3, 4, 0.0)


def test_a_perfect_answer_scores_one() -> None:
    truth = row(0, 1, 2)
    for criterion in (Criterion(), LENIENT):
        assert score(truth, truth, 1.0, PIXEL_NM, criterion)[:5] == (1, 1, 1, 1, 0)


def test_without_hits_the_error_is_the_radius() -> None:
    assert score(row(0), row(5), 2.5, PIXEL_NM)[:5] == (0, 0, 0, 0, 250)
    assert score(row(0), Emitters.none(), 2.5, PIXEL_NM)[:5] == (0, 0, 0, 0, 250)
    assert score(Emitters.none(), row(0), 2.5, PIXEL_NM)[:5] == (0, 0, 0, 0, 250)


def test_nothing_to_find_and_nothing_found_is_perfect() -> None:
    assert score(Emitters.none(), Emitters.none(), 1.0, PIXEL_NM).f1 == 1


def test_two_predictions_may_share_a_truth_only_under_the_lenient_rule() -> None:
    truth, predicted = row(0, 10), row(0.1, 0.2)
    assert score(truth, predicted, 1.0, PIXEL_NM).precision == 0.5
    lenient = score(truth, predicted, 1.0, PIXEL_NM, LENIENT)
    assert (lenient.precision, lenient.recall) == (1.0, 0.5)
    assert lenient.rmse_nm == pytest.approx(100 * np.sqrt((0.1**2 + 0.2**2) / 2))


def test_a_prediction_on_a_weak_truth_is_neither_hit_nor_false() -> None:
    truth = row(0, 10, snr=[5.0, 1.0])
    scores = score(truth, row(0, 10, 20), 1.0, PIXEL_NM, Criterion(snr_threshold=2.0))
    assert (scores.truths, scores.predictions, scores.excluded_share) == (1, 2, 0.5)
    assert (scores.precision, scores.recall) == (0.5, 1.0)
    assert score(truth, row(0, 10, 20), 1.0, PIXEL_NM).precision == pytest.approx(2 / 3)


def test_reliable_truths_are_served_before_weak_ones() -> None:
    truth = row(0, 0.5, snr=[1.0, 5.0])
    verdict = judge(truth, row(0), 1.0, Criterion(snr_threshold=2.0))
    assert verdict.found.tolist() == [False, True]
    assert verdict.hit.tolist() == [True]


def test_a_weak_truth_forgives_one_prediction_only() -> None:
    verdict = judge(row(0, snr=1.0), row(0, 0.1), 1.0, Criterion(snr_threshold=2.0))
    assert verdict.forgiven.sum() == 1
    lenient = judge(row(0, snr=1.0), row(0, 0.1), 1.0, Criterion("knn_lenient", 2.0))
    assert lenient.forgiven.sum() == 2


def test_the_threshold_itself_is_reliable() -> None:
    assert judge(row(0, snr=2.0), Emitters.none(), 1.0, Criterion(snr_threshold=2.0)).required.all()


def test_with_the_same_points_the_efficiency_is_a_hundred_and_falls_with_either_error() -> None:
    assert efficiency(1.0, 0.0) == 100
    assert efficiency(0.6, 30.0) == pytest.approx(100 - 50)
    assert efficiency(0.6, 60.0, alpha_per_nm=0.5) == pytest.approx(100 - 50)


def test_pooled_movies_count_by_their_emitters_and_the_mean_of_movies_does_not() -> None:
    perfect, half = Tally(10, 10, 10, 10), Tally(45, 90, 45, 90)
    assert summarise(pooled([perfect, half]), 100).f1 == pytest.approx(0.55)
    assert macro_f1([perfect, half]) == pytest.approx(0.75)


def test_an_interval_holds_the_value_and_vanishes_where_all_movies_agree() -> None:
    def recall(tally: Tally) -> float:
        return summarise(tally, 100).recall

    alike, rng = [Tally(8, 10, 8, 10)] * 5, np.random.default_rng(0)
    assert interval(alike, recall, rng) == (0.8, 0.8)
    low, high = interval([Tally(found, 10, found, 10) for found in range(3, 10)], recall, rng)
    assert 0.3 < low < 0.6 < high < 0.9
    with pytest.raises(ValueError, match="at least one movie"):
        interval([], recall, rng)


def test_the_interval_of_means_is_as_wide_as_its_standard_error_says() -> None:
    rng = np.random.default_rng(1)
    found = rng.binomial(100, 0.7, 60)
    low, high = interval([Tally(int(n), 100, int(n), 100) for n in found], lambda t: summarise(t, 1).recall, rng)
    assert high - low == pytest.approx(2 * 1.96 * found.std() / 100 / np.sqrt(60), rel=0.15)
