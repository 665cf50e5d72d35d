"""What luck scores: the published levels, and controls that know nothing of where or when."""

from __future__ import annotations

import numpy as np
import pytest

from model.emitters import Emitters, LabelledMovie
from model.scoring.controls import lattice, scattered, shuffled
from model.scoring.matching import Pairing
from model.scoring.scores import score
from model.scoring.verdicts import Criterion

LENIENT = Criterion("knn_lenient")
GREEDY = Criterion(pairing=Pairing("greedy"))
PIXEL_NM = 100.0


def uniform(rng: np.random.Generator, rows: int, edge_px: float, frames: int) -> Emitters:
    return Emitters.of(np.repeat(np.arange(frames), rows), *rng.uniform(0, edge_px, (2, rows * frames)))


@pytest.mark.parametrize(
    ("density", "radius_nm", "lenient", "matched", "greedy"),
    [(10, 250, 0.86, 0.69, 0.63), (1, 100, 0.031, 0.03, 0.03), (5, 100, 0.145, 0.137, 0.137)],
)
def test_random_points_reach_their_chance_level(
    density: int, radius_nm: int, lenient: float, matched: float, greedy: float
) -> None:
    """Lenient: 1 − exp(−density π r²)."""
    rng = np.random.default_rng(7)
    rows = density * 20**2
    truth, predicted = uniform(rng, rows, 200, 4), uniform(rng, rows, 200, 4)
    assert lenient == pytest.approx(1 - np.exp(-density * np.pi * (radius_nm / 1000) ** 2), abs=0.005)
    found = score(truth, predicted, radius_nm / 100, PIXEL_NM, LENIENT)
    assert found.precision == pytest.approx(lenient, abs=0.012)
    assert found.recall == pytest.approx(lenient, abs=0.012)
    assert score(truth, predicted, radius_nm / 100, PIXEL_NM).f1 == pytest.approx(matched, abs=0.012)
    assert score(truth, predicted, radius_nm / 100, PIXEL_NM, GREEDY).f1 == pytest.approx(greedy, abs=0.012)


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


def movie(truth: Emitters, edge_px: int, frames: int) -> LabelledMovie:
    return LabelledMovie(np.zeros((frames, edge_px, edge_px), np.uint16), truth, PIXEL_NM)


def test_a_lattice_with_the_true_count_scores_nearly_0_8_in_a_crowd() -> None:
    crowd = movie(uniform(np.random.default_rng(2), 4000, 200, 3), 200, 3)
    assert score(crowd.emitters, lattice(crowd), 2.5, PIXEL_NM).f1 == pytest.approx(0.79, abs=0.015)


@pytest.mark.parametrize("rows", [0, 1, 2, 7, 100])
def test_a_lattice_fills_the_field_evenly_with_the_true_count(rows: int) -> None:
    even = lattice(movie(uniform(np.random.default_rng(rows), rows, 30, 1), 30, 2))
    assert even.frame.tolist() == [0] * rows
    assert ((even.x_px > 0) & (even.x_px < 30) & (even.y_px > 0) & (even.y_px < 30)).all()
    distance = np.hypot(even.x_px[:, None] - even.x_px, even.y_px[:, None] - even.y_px)
    np.fill_diagonal(distance, np.inf)
    assert rows < 2 or distance.min() > 0.6 * 30 / np.sqrt(rows)


def test_scattered_points_keep_the_count_of_every_frame() -> None:
    truth = Emitters.of([0, 0, 3], 1.0, 1.0)
    assert scattered(movie(truth, 20, 5), np.random.default_rng(0)).frame.tolist() == [0, 0, 3]


def test_one_frame_has_no_other_to_be_moved_to() -> None:
    with pytest.raises(ValueError, match="at least 2 frames, found 1"):
        shuffled(Emitters.of(0, 1.0, 1.0), 1, np.random.default_rng(0))
