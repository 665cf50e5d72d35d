"""Dense movies out of sparse ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.binning import bin_frames, bin_table, permuted, strided
from model.errors import InputError
from model.localisations import Table

COUNTED = np.arange(12, dtype=np.uint16).reshape(12, 1, 1) * 10 + 100


def table(frame: list[int], background: float = 7.0) -> Table:
    rows = np.arange(len(frame), dtype=float)
    return Table(
        np.array(frame), rows, rows + 0.5, rows * 100, np.full(len(frame), background), *(rows,) * 3, 0.0, None
    )


def test_strided_offsets_are_the_length_of_the_dense_movie_apart() -> None:
    assert strided(2500, 5, 20).tolist() == [0, 500, 1000, 1500, 2000]
    assert strided(13, 4, 3).tolist() == [0, 3, 6, 9]


def test_a_movie_too_short_for_the_gap_tells_how_long_it_must_be() -> None:
    with pytest.raises(InputError, match="99 frames are too few to sum 5 at least 20 frames apart, 100 are needed"):
        strided(99, 5, 20)
    with pytest.raises(InputError, match="too few"):
        permuted(99, 5, 20, np.random.default_rng(0))


@given(st.integers(1, 10), st.integers(1, 30), st.integers(0, 400), st.integers(0, 9))
def test_permuted_offsets_keep_their_distance_and_stay_within_the_movie(
    sums: int, gap: int, more: int, seed: int
) -> None:
    length = sums * gap + more
    offsets = permuted(length, sums, gap, np.random.default_rng(seed))
    assert len(offsets) == sums
    assert offsets[0] >= 0
    assert offsets[-1] + length // sums <= length
    assert (np.diff(offsets) >= gap).all()


def test_permuted_offsets_differ_from_draw_to_draw() -> None:
    rng = np.random.default_rng(1)
    assert len({tuple(permuted(1000, 5, 20, rng).tolist()) for _ in range(20)}) == 20


def test_frames_are_summed_and_all_baselines_but_one_taken_away() -> None:
    dense = bin_frames(COUNTED, strided(12, 3, 2), 4, 100.0)
    assert dense.dtype == np.int32
    assert dense[:, 0, 0].tolist() == [100 + 0 + 40 + 80, 100 + 10 + 50 + 90, 100 + 20 + 60 + 100, 100 + 30 + 70 + 110]


def test_sums_above_sixteen_bits_and_below_zero_are_kept() -> None:
    bright, dark = np.full((4, 1, 1), 60_000, np.uint16), np.full((4, 1, 1), 10, np.uint16)
    assert bin_frames(bright, np.array([0, 2]), 2, 100.0).ravel().tolist() == [119_900] * 2
    assert bin_frames(dark, np.array([0, 2]), 2, 100.0).ravel().tolist() == [-80] * 2


def test_floating_frames_stay_so() -> None:
    dense = bin_frames(np.full((4, 2, 2), 0.25, np.float32), np.array([0, 2]), 2, 0.0)
    assert dense.dtype == np.float32
    assert (dense == 0.5).all()


def test_a_movie_of_many_portions_is_summed_like_a_short_one() -> None:
    frames = np.random.default_rng(2).integers(0, 4000, (1000, 3, 4)).astype(np.uint16)
    dense = bin_frames(frames, strided(1000, 5, 20), 200, 100.0)
    assert (dense == frames.reshape(5, 200, 3, 4).astype(int).sum(axis=0) - 400).all()


def test_saturation_is_an_error_that_tells_where() -> None:
    frames = COUNTED.copy()
    frames[7] = 65535
    with pytest.raises(InputError, match="1 pixels of frames 4 to 7 are saturated at 65535"):
        bin_frames(frames, strided(12, 3, 2), 4, 100.0)


def test_a_sum_that_does_not_fit_into_32_bits_is_an_error() -> None:
    with pytest.raises(InputError, match="32 bits"):
        bin_frames(np.full((4, 1, 1), 2**31, np.uint32), np.array([0, 2]), 2, 0.0)


def test_labels_of_all_summed_frames_are_united_on_the_background_of_all() -> None:
    dense = bin_table(table([0, 1, 5, 5, 8, 11]), strided(12, 3, 2), 4)
    assert dense.frame.tolist() == [0, 0, 1, 1, 1, 3]
    assert dense.x_nm.tolist() == [0, 4, 1, 2, 3, 5]
    assert dense.y_nm.tolist() == [0.5, 4.5, 1.5, 2.5, 3.5, 5.5]
    assert (dense.background == 21.0).all()


@given(st.lists(st.integers(0, 59), max_size=60), st.integers(1, 6))
def test_strided_binning_of_a_whole_movie_loses_no_label_and_repeats_none(frames: list[int], sums: int) -> None:
    length = 60 // sums
    rows = table(sorted(frames))
    dense = bin_table(rows, strided(60, sums, 1), length)
    kept = rows.x_nm[rows.frame < sums * length]
    assert sorted(dense.x_nm.tolist()) == sorted(kept.tolist())
    assert (np.diff(dense.frame) >= 0).all()


@given(st.integers(1, 10), st.integers(0, 5))
def test_the_light_of_a_dense_frame_is_that_of_its_labels(sums: int, seed: int) -> None:
    """Each emitter adds its own number to one pixel of its frame; sums must agree with labels."""
    rng = np.random.default_rng(seed)
    frame = np.sort(rng.integers(0, 100, 80))
    frames = 50 + np.bincount(frame, np.arange(80), 100).astype(np.uint16).reshape(100, 1, 1)
    offsets, length = permuted(100, sums, 100 // sums, rng), 100 // sums
    dense, rows = bin_frames(frames, offsets, length, 50.0), bin_table(table(frame.tolist()), offsets, length)
    assert np.bincount(rows.frame, rows.x_nm, length) == pytest.approx(dense[:, 0, 0].astype(float) - 50)
