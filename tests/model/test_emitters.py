"""Emitter rows: order, selection, shifting."""

from __future__ import annotations

import numpy as np

from model.emitters import Emitters


def test_rows_are_sorted_by_frame_and_keep_their_order_within_one() -> None:
    emitters = Emitters.of([2, 0, 2, 1], [1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0], [10.0, 20.0, 30.0, 40.0])
    assert emitters.frame.tolist() == [0, 1, 2, 2]
    assert emitters.x_px.tolist() == [2.0, 4.0, 1.0, 3.0]
    assert emitters.photons.tolist() == [20.0, 40.0, 10.0, 30.0]


def test_what_is_not_known_is_nan_photons_and_infinite_snr() -> None:
    emitters = Emitters.of([0, 1], [1.0, 2.0], [1.0, 2.0])
    assert np.isnan(emitters.photons).all()
    assert np.isinf(emitters.snr).all()


def test_of_frame_gives_the_rows_of_that_frame_alone() -> None:
    emitters = Emitters.of([0, 0, 3], [1.0, 2.0, 3.0], 0.0)
    assert emitters.of_frame(0).x_px.tolist() == [1.0, 2.0]
    assert emitters.of_frame(1).rows == 0
    assert emitters.of_frame(3).x_px.tolist() == [3.0]


def test_shifting_moves_time_and_plane_and_nothing_else() -> None:
    moved = Emitters.of([4], [1.0], [2.0], [100.0], [3.0], [-50.0]).shifted(frames=-4, x_px=0.5, y_px=-1.0)
    assert [column.tolist() for column in moved] == [[0], [1.5], [1.0], [100.0], [3.0], [-50.0]]


def test_the_left_edge_is_inside_and_the_right_edge_is_not() -> None:
    emitters = Emitters.of([0, 0, 0, 0, 2], [0.0, 8.0, -0.001, 7.999, 1.0], [0.0, 1.0, 1.0, 3.999, 1.0])
    assert emitters.inside((2, 4, 8)).tolist() == [True, False, False, True, False]


def test_no_emitters_have_no_rows_and_can_be_asked_all_the_same() -> None:
    nothing = Emitters.none()
    assert nothing.rows == 0
    assert nothing.of_frame(0).rows == 0
    assert nothing.inside((1, 1, 1)).shape == (0,)
