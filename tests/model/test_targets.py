"""Count maps and weight maps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.emitters import Emitters
from model.targets import LowSnr, build_targets, count_map

SHAPE = (2, 8, 8)


def test_an_emitter_on_a_pixel_corner_belongs_to_the_pixel_right_and_below() -> None:
    counts = count_map(Emitters.of([1], [3.0], [5.0]), SHAPE)
    assert np.argwhere(counts).tolist() == [[1, 5, 3]]


def test_counts_are_clipped_at_three() -> None:
    counts = count_map(Emitters.of([0] * 7, [1.5] * 5 + [6.1] * 2, [1.5] * 5 + [6.9] * 2), SHAPE)
    assert counts[0, 1, 1] == 3
    assert counts[0, 6, 6] == 2
    assert counts.sum() == 5
    assert counts.dtype == np.uint8


def test_emitters_outside_are_left_out() -> None:
    assert count_map(Emitters.of([0, 0, 2, -1], [-0.1, 8.0, 1.0, 1.0], 1.0), SHAPE).sum() == 0
    assert count_map(Emitters.none(), SHAPE).shape == SHAPE


def weak_at(x: float, y: float, snr: float = 1.0) -> Emitters:
    return Emitters.of([0], [x], [y], [100.0], [snr])


def test_ignore_leaves_out_the_nine_pixels_around_a_weak_emitter_and_its_label() -> None:
    counts, weights = build_targets(weak_at(4.5, 3.5), SHAPE, "ignore", 2.0)
    assert counts.sum() == 0
    assert (weights[0, 2:5, 3:6] == 0).all()
    assert (weights == 0).sum() == 9


def test_background_takes_a_weak_emitter_for_empty_at_full_weight() -> None:
    counts, weights = build_targets(weak_at(4.5, 3.5), SHAPE, "background", 2.0)
    assert counts.sum() == 0
    assert (weights == 1).all()


def test_soft_keeps_the_label_at_the_weight_of_its_snr() -> None:
    counts, weights = build_targets(weak_at(4.5, 3.5, snr=0.5), SHAPE, "soft", 2.0)
    assert counts[0, 3, 4] == 1
    assert weights[0, 2:5, 3:6] == pytest.approx(0.25)
    assert (weights < 1).sum() == 9


def test_soft_takes_the_least_weight_where_weak_emitters_meet() -> None:
    pair = Emitters.of([0, 0], [3.5, 4.5], [3.5, 3.5], 100.0, [1.5, 0.5])
    _, weights = build_targets(pair, SHAPE, "soft", 2.0)
    assert weights[0, 3, 2:6] == pytest.approx([0.75, 0.25, 0.25, 0.25])


def test_the_pixel_of_a_reliable_emitter_wins_over_a_weak_neighbour() -> None:
    pair = Emitters.of([0, 0, 0], [3.5, 4.5, 4.2], [3.5, 3.5, 3.1], 100.0, [1.0, 2.0, 0.3])
    counts, weights = build_targets(pair, SHAPE, "ignore", 2.0)
    assert counts[0, 3, 4] == 1
    assert weights[0, 3, 4] == 1
    assert counts.sum() == 1
    assert (weights == 0).sum() == 3 * 4 - 1


def test_an_emitter_exactly_at_the_threshold_is_reliable() -> None:
    assert build_targets(weak_at(4.5, 3.5, snr=2.0), SHAPE, "ignore", 2.0).counts.sum() == 1
    assert build_targets(weak_at(4.5, 3.5, snr=0.0), SHAPE, "ignore", 0.0).counts.sum() == 1


def test_weak_emitters_in_a_corner_reach_no_other_side() -> None:
    _, weights = build_targets(weak_at(0.5, 7.5), SHAPE, "ignore", 2.0)
    assert (weights == 0).sum() == 4
    assert (weights[0, 6:, :2] == 0).all()


rows = st.lists(st.tuples(st.integers(0, 1), st.floats(-1, 9), st.floats(-1, 9), st.floats(0, 6)), max_size=25)
some_emitters = rows.map(
    lambda rows: Emitters.of(*([row[column] for row in rows] for column in range(3)), 1.0, [row[3] for row in rows])
)


@given(some_emitters, st.sampled_from(["ignore", "background", "soft"]), st.sampled_from([0.0, 2.0, 3.0]))
def test_reliable_emitters_are_always_counted_at_full_weight(emitters: Emitters, low_snr: LowSnr, least: float) -> None:
    counts, weights = build_targets(emitters, SHAPE, low_snr, least)
    reliable = count_map(emitters.select(emitters.snr >= least), SHAPE)
    assert (weights[reliable > 0] == 1).all()
    assert (counts >= reliable).all()
    assert ((counts == reliable) | (low_snr == "soft")).all()


@given(some_emitters, st.sampled_from(["ignore", "background", "soft"]))
def test_weights_are_full_wherever_no_weak_emitter_is_near(emitters: Emitters, low_snr: LowSnr) -> None:
    _, weights = build_targets(emitters, SHAPE, low_snr, 2.0)
    near = np.zeros(SHAPE, bool)
    weak = emitters.select((emitters.snr < 2.0) & emitters.inside(SHAPE))
    for frame, x, y in zip(weak.frame, weak.x_px.astype(int), weak.y_px.astype(int), strict=True):
        near[frame, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2] = True
    assert (weights[~near] == 1).all()
    assert ((weights >= 0) & (weights <= 1)).all()
    assert (weights == 1).all() or low_snr != "background"


@given(some_emitters)
def test_without_a_threshold_nothing_is_left_out_whatever_becomes_of_weak_ones(emitters: Emitters) -> None:
    maps = [build_targets(emitters, SHAPE, low_snr, 0.0) for low_snr in ("ignore", "background", "soft")]
    assert all((each.weights == 1).all() for each in maps)
    assert all((each.counts == count_map(emitters, SHAPE)).all() for each in maps)
