"""Scores: by hand, under curation, and at chance."""

from __future__ import annotations

import numpy as np
import pytest

from model.emitters import Emitters
from model.metrics import Criterion, judge, score, shuffled

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


def uniform(rng: np.random.Generator, rows: int, edge_px: float, frames: int) -> Emitters:
    return Emitters.of(np.repeat(np.arange(frames), rows), *rng.uniform(0, edge_px, (2, rows * frames)))


@pytest.mark.parametrize(
    ("density", "radius_nm", "lenient", "matched"),
    [(10, 250, 0.856, 0.69), (1, 100, 0.031, 0.03), (5, 100, 0.145, 0.137)],
)
def test_random_points_reach_their_chance_level(density: int, radius_nm: int, lenient: float, matched: float) -> None:
    """Lenient: 1 − exp(−density π r²). Matched: a maximum matching has more pairs than the greedy one (0.63)."""
    rng = np.random.default_rng(7)
    rows = density * 20**2
    truth, predicted = uniform(rng, rows, 200, 4), uniform(rng, rows, 200, 4)
    assert lenient == pytest.approx(1 - np.exp(-density * np.pi * (radius_nm / 1000) ** 2), abs=0.005)
    found = score(truth, predicted, radius_nm / 100, PIXEL_NM, LENIENT)
    assert found.precision == pytest.approx(lenient, abs=0.012)
    assert found.recall == pytest.approx(lenient, abs=0.012)
    assert score(truth, predicted, radius_nm / 100, PIXEL_NM).f1 == pytest.approx(matched, abs=0.012)


def test_eight_neighbours_lose_next_to_nothing() -> None:
    rng = np.random.default_rng(3)
    truth, predicted = uniform(rng, 1000, 100, 2), uniform(rng, 1000, 100, 2)
    unbound = score(truth, predicted, 2.5, PIXEL_NM).f1
    assert score(truth, predicted, 2.5, PIXEL_NM, Criterion(neighbours=8)).f1 == pytest.approx(unbound, abs=0.003)


@pytest.mark.parametrize("frames", [2, 3, 5, 40])
def test_the_control_moves_every_frame_by_a_quarter_of_the_movie_or_more(frames: int) -> None:
    predicted = Emitters.of(np.arange(frames), np.arange(frames), 0.0)
    for seed in range(20):
        moved = shuffled(predicted, frames, np.random.default_rng(seed))
        steps = (moved.frame - moved.x_px.astype(int)) % frames
        assert len(set(steps)) == 1
        assert min(steps[0], frames - steps[0]) >= max(frames // 4, 1)
        assert (np.diff(moved.frame) >= 0).all()
        assert sorted(moved.x_px) == sorted(predicted.x_px)


def test_the_control_of_a_perfect_answer_is_chance() -> None:
    rng = np.random.default_rng(5)
    truth = uniform(rng, 400, 200, 8)
    control = score(truth, shuffled(truth, 8, rng), 1.0, PIXEL_NM)
    assert control.f1 == pytest.approx(0.03, abs=0.015)


def test_one_frame_has_no_other_to_be_moved_to() -> None:
    with pytest.raises(ValueError, match="at least 2 frames, found 1"):
        shuffled(row(0), 1, np.random.default_rng(0))
