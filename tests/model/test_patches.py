"""Patches: labels that follow their pixels."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest

from model.emitters import Emitters, LabelledMovie
from model.normalisation import Intensities
from model.patches import Windows, cut, joined, tiles
from model.targets import build_targets, count_map
from tests.model.samples import config, follows, labelled_movie


def test_cutting_takes_image_and_labels_from_the_same_place() -> None:
    movie = labelled_movie()
    windows = Windows(np.array([[1, 0], [5, 4]]), np.array([2, 0]), np.array([7, 4]), 11, 13)
    patches = cut(movie, windows, Intensities(0.0, 500.0), config().data)
    truth = count_map(movie.emitters, movie.frames.shape)
    assert (patches.y[0, 0] == truth[1, 2:13, 7:20]).all()
    assert (patches.y[1, 1] == truth[4, :11, 4:17]).all()
    assert follows(patches)


@pytest.mark.parametrize("low_snr", ["ignore", "soft", "background"])
def test_the_targets_of_a_window_are_those_of_the_movie_there(low_snr: Literal["ignore", "soft", "background"]) -> None:
    """Weak emitters just outside a window reach into it."""
    rng = np.random.default_rng(2)
    emitters = Emitters.of(
        rng.integers(0, 4, 150), rng.uniform(0, 20, 150), rng.uniform(0, 20, 150), 1.0, rng.uniform(0, 5, 150)
    )
    movie = LabelledMovie(rng.integers(0, 99, (4, 20, 20)), emitters, 100.0)
    whole = build_targets(emitters, (4, 20, 20), low_snr, 2.0)
    windows = Windows(np.array([[0, 1, 2], [3, 2, 3]]), np.array([0, 9]), np.array([12, 5]), 8, 8)
    data = config(data={"low_snr": low_snr, "patch_px": 8}).data
    patches = cut(movie, windows, Intensities(0.0, 99.0), data)
    for patch, (frames, top, left) in enumerate([([0, 1, 2], 0, 12), ([3, 2, 3], 9, 5)]):
        assert (patches.y[patch] == whole.counts[frames, top : top + 8, left : left + 8]).all()
        assert (patches.w[patch] == whole.weights[frames, top : top + 8, left : left + 8]).all()


def test_tiles_cover_a_movie_once_and_leave_out_the_rest() -> None:
    movie = labelled_movie(frames=7, height=35, width=20)
    patches = tiles(movie, config(), 99)
    assert patches.x.shape == (2 * 2 * 1, 3, 16, 16)
    held = movie.emitters.select((movie.emitters.frame < 6) & (movie.emitters.y_px < 32) & (movie.emitters.x_px < 16))
    assert patches.y.sum() == held.rows
    assert follows(patches)


def test_of_many_tiles_some_are_kept_from_the_first_to_the_last() -> None:
    movie = labelled_movie(frames=30, height=32, width=16)
    whole, some = (tiles(movie, config(), most) for most in (99, 5))
    assert len(whole.x) == 20
    assert (some.x == whole.x[[0, 4, 9, 14, 19]]).all()


def test_a_movie_smaller_and_shorter_than_a_patch_is_one_tile() -> None:
    patches = tiles(labelled_movie(frames=1, height=9, width=40), config(data={"patch_px": 32}), 99)
    assert patches.x.shape == (1, 3, 9, 32)
    assert (patches.y[:, 0] == patches.y[:, 2]).all()


def test_joined_patches_keep_their_order() -> None:
    parts = [tiles(labelled_movie(frames=frames), config(), 9) for frames in (3, 6)]
    assert (joined(parts).x == np.concatenate([parts[0].x, parts[1].x])).all()
