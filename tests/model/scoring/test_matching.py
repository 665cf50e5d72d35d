"""One-to-one matching: by hand and against every possible pairing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.emitters import Emitters
from model.scoring.matching import Depths, Pairing, match, within_reach

point = st.tuples(st.floats(0, 3), st.floats(0, 3))
points = st.lists(point, max_size=5)


def in_frame_0(places: list[tuple[float, float]]) -> Emitters:
    x, y = np.array(places, float).reshape(-1, 2).T
    return Emitters.of(np.zeros(len(places), int), x, y)


def best_by_trial(truth: Emitters, predicted: Emitters, radius: float) -> tuple[int, float]:
    """Most pairs, then least distance, over every pairing."""
    if truth.rows > predicted.rows:
        truth, predicted = predicted, truth
    distance = np.hypot(truth.x_px[:, None] - predicted.x_px, truth.y_px[:, None] - predicted.y_px)
    best = (0, 0.0)
    for columns in itertools.permutations(range(predicted.rows), truth.rows):
        kept = [d for d in distance[np.arange(truth.rows), list(columns)] if d <= radius]
        best = max(best, (len(kept), -sum(kept)))
    return best[0], -best[1]


@settings(max_examples=150)
@given(points, points, st.floats(0.3, 2.0))
def test_no_other_pairing_has_more_pairs_or_less_distance(
    true: list[tuple[float, float]], found: list[tuple[float, float]], radius: float
) -> None:
    truth, predicted = in_frame_0(true), in_frame_0(found)
    pairs = match(truth, predicted, radius)
    number, distance = best_by_trial(truth, predicted, radius)
    assert len(pairs.truth) == number
    assert pairs.distance_px.sum() == pytest.approx(distance, abs=1e-6)


@settings(max_examples=50)
@given(points, points)
def test_no_row_stands_in_two_pairs_and_distances_are_true(
    true: list[tuple[float, float]], found: list[tuple[float, float]]
) -> None:
    truth, predicted = in_frame_0(true), in_frame_0(found)
    pairs = match(truth, predicted, 1.0)
    assert len(set(pairs.truth)) == len(set(pairs.predicted)) == len(pairs.truth)
    apart = np.hypot(
        truth.x_px[pairs.truth] - predicted.x_px[pairs.predicted],
        truth.y_px[pairs.truth] - predicted.y_px[pairs.predicted],
    )
    assert pairs.distance_px == pytest.approx(apart, abs=1e-9)


def test_more_pairs_go_before_closer_ones() -> None:
    # greedy would take the pair at 0.1 and strand the others
    pairs = match(in_frame_0([(0, 0), (1, 0)]), in_frame_0([(0.9, 0), (1.9, 0)]), 1.0)
    assert sorted(zip(pairs.truth, pairs.predicted, strict=True)) == [(0, 0), (1, 1)]


@settings(max_examples=150)
@given(points, points, st.floats(0.3, 2.0))
def test_greedy_pairs_are_those_of_taking_the_closest_pair_again_and_again(
    true: list[tuple[float, float]], found: list[tuple[float, float]], radius: float
) -> None:
    truth, predicted = in_frame_0(true), in_frame_0(found)
    distance = np.hypot(truth.x_px[:, None] - predicted.x_px, truth.y_px[:, None] - predicted.y_px)
    kept = []
    while distance.size and distance.min() <= radius:
        kept.append(distance.min())
        at = np.unravel_index(distance.argmin(), distance.shape)
        distance[at[0]] = distance[:, at[1]] = np.inf
    pairs = match(truth, predicted, radius, Pairing("greedy"))
    assert sorted(pairs.distance_px) == pytest.approx(sorted(kept), abs=1e-9)


def test_greedy_takes_the_closest_pair_though_it_strands_two_others() -> None:
    pairs = match(in_frame_0([(0, 0), (1, 0)]), in_frame_0([(0.9, 0), (1.9, 0)]), 1.0, Pairing("greedy"))
    assert list(zip(pairs.truth, pairs.predicted, strict=True)) == [(1, 0)]


def test_a_pair_must_also_agree_in_depth() -> None:
    truth, predicted = in_frame_0([(0, 0), (5, 5)]), in_frame_0([(0, 0), (5, 5)])
    depths = Depths(np.array([0.0, 0.0]), np.array([500.0, 501.0]), 500.0)
    assert match(truth, predicted, 1.0, Pairing(depths=depths)).truth.tolist() == [0]


def test_the_radius_itself_is_within_reach() -> None:
    assert len(match(in_frame_0([(0, 0)]), in_frame_0([(3, 4)]), 5.0).truth) == 1
    assert len(match(in_frame_0([(0, 0)]), in_frame_0([(3, 4)]), 4.999).truth) == 0


def test_frames_are_never_mixed() -> None:
    truth, predicted = Emitters.of([0, 1, 70_000], 1.0, 1.0), Emitters.of([1, 2, 70_000], 1.0, 1.0)
    pairs = match(truth, predicted, 2.0)
    assert sorted(zip(pairs.truth, pairs.predicted, strict=True)) == [(1, 0), (2, 2)]


def test_nothing_matches_nothing() -> None:
    some = in_frame_0([(0, 0)])
    for truth, predicted in ((Emitters.none(), some), (some, Emitters.none()), (Emitters.none(), Emitters.none())):
        assert len(match(truth, predicted, 1.0).truth) == 0


def test_with_one_neighbour_a_prediction_may_only_have_its_nearest_truth() -> None:
    truth, predicted = in_frame_0([(0, 0), (1, 0)]), in_frame_0([(0.1, 0), (0.2, 0)])
    assert len(match(truth, predicted, 1.0, Pairing(neighbours=1)).truth) == 1
    assert len(match(truth, predicted, 1.0, Pairing(neighbours=2)).truth) == 2


def test_many_predictions_may_lie_within_reach_of_one_truth() -> None:
    pairs = within_reach(in_frame_0([(0, 0)]), in_frame_0([(0.1, 0), (0.2, 0), (2, 0)]), 1.0)
    assert sorted(pairs.predicted) == [0, 1]


def test_a_radius_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="radius must be positive"):
        match(Emitters.none(), Emitters.none(), 0.0)
