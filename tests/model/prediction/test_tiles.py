"""Tiles: what they cover, and that nobody sees their seams."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.config import ModelConfig
from model.prediction.tiles import OVERLAP_PX, coarsest_px, predict_tiled, tiles
from model.prediction.windows import Reading, predict_between
from model.unet import build_unet


@settings(max_examples=100)
@given(st.integers(1, 300), st.integers(1, 300), st.integers(40 * 40, 120 * 120), st.sampled_from([1, 2, 4, 8]))
def test_every_pixel_is_kept_once_and_tiles_begin_at_multiples(
    height: int, width: int, most_px: int, multiple: int
) -> None:
    times = np.zeros((height, width), int)
    for tile in tiles(height, width, most_px, multiple):
        times[tile.place] += 1
        seen = np.zeros((height, width), bool)[tile.seen]
        assert seen.size <= 1.5 * most_px + height + width
        assert all(side.start % multiple == 0 for side in tile.seen)
        assert seen[tile.kept].shape == times[tile.place].shape
        for kept, whole, edge, end in zip(tile.kept, tile.seen, seen.shape, (height, width), strict=True):
            assert kept.start >= OVERLAP_PX or whole.start == 0
            assert edge - kept.stop >= OVERLAP_PX or whole.stop == end
    assert (times == 1).all()


def test_a_frame_that_fits_is_one_tile() -> None:
    assert len(list(tiles(100, 300, 30_000, 8))) == 1


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return build_unet(ModelConfig(depth=2, base_filters=2, convolutions_per_block=1), [0.7, 0.2, 0.07, 0.03], seed=1)


def test_a_tiled_frame_is_answered_as_the_whole_one(network: keras.Model) -> None:
    seen = np.random.default_rng(0).normal(0, 1, (4, 90, 122)).astype(np.float32)
    whole = Reading(3, "hard", pixels_at_once=1 << 20)
    assert coarsest_px(network) == 4
    expected = predict_between(network, seen, whole)
    answer = predict_tiled(network, seen, whole._replace(pixels_at_once=60 * 60))
    assert answer.shape == (2, 90, 122, 4)
    np.testing.assert_allclose(answer, expected, atol=1e-5)
