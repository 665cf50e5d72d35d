"""Mass peeling: hand-made maps, and one by one against all at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model.decoding.peeling import decode
from model.emitters import Emitters
from model.targets import count_map


def map_of(expected: Any) -> np.ndarray:
    """A map (1, Y, X, 4) with these expected counts, all by class 1."""
    p1 = np.asarray(expected, float)[None]
    return np.stack([1 - p1, p1, 0 * p1, 0 * p1], axis=-1)


def places(emitters: Emitters) -> list[tuple[float, float]]:
    return sorted((round(float(x), 6), round(float(y), 6)) for x, y in zip(emitters.x_px, emitters.y_px, strict=True))


def test_a_certain_pixel_becomes_one_localisation_at_its_centre() -> None:
    expected = np.zeros((5, 6))
    expected[1, 3] = 1
    found = decode(map_of(expected), 0.5)
    assert places(found) == [(3.5, 1.5)]
    assert found.frame.tolist() == [0]
    assert np.isinf(found.snr).all()
    assert np.isnan(found.photons).all()


def test_mass_shared_by_two_pixels_is_one_localisation_at_their_centroid() -> None:
    expected = np.zeros((5, 6))
    expected[2, 2], expected[2, 3] = 0.6, 0.3
    assert places(decode(map_of(expected), 0.5)) == [(round((0.6 * 2.5 + 0.3 * 3.5) / 0.9, 6), 2.5)]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_pixel_of_several_emitters_gives_as_many(count: int) -> None:
    probability = np.zeros((1, 4, 4, 4))
    probability[..., 0] = 1
    probability[0, 2, 1] = np.eye(4)[count]
    assert places(decode(probability, 0.5)) == [(1.5, 2.5)] * count


def test_neighbouring_emitters_are_not_forbidden() -> None:
    expected = np.zeros((5, 5))
    expected[2, 1] = expected[2, 2] = expected[3, 2] = 1
    assert places(decode(map_of(expected), 0.5)) == [(1.5, 2.5), (2.5, 2.5), (2.5, 3.5)]


@pytest.mark.parametrize("mass", [1.0, 0.95])
def test_two_emitters_two_pixels_apart_are_not_drawn_to_the_middle(mass: float) -> None:
    expected = np.zeros((5, 5))
    expected[2, 1] = expected[2, 3] = mass
    assert places(decode(map_of(expected), 0.5)) == [(1.5, 2.5), (3.5, 2.5)]


def test_what_a_pixel_holds_above_one_unit_goes_to_the_next_localisation() -> None:
    expected = np.zeros((5, 5))
    expected[2, 2], expected[2, 3] = 1, 0.6
    assert places(decode(map_of(expected), 0.5)) == [(2.5, 2.5), (3.5, 2.5)]
    assert places(decode(map_of(expected), 0.7)) == [(2.5, 2.5)]


def test_a_window_counts_from_the_threshold_on() -> None:
    expected = np.zeros((3, 3))
    expected[1, 1] = 0.5
    assert decode(map_of(expected), 0.5).rows == 1
    assert decode(map_of(expected), 0.51).rows == 0


def test_an_emitter_in_the_corner_stays_inside() -> None:
    expected = np.zeros((4, 4))
    expected[0, 0], expected[3, 3] = 0.8, 1
    assert places(decode(map_of(expected), 0.5)) == [(0.5, 0.5), (3.5, 3.5)]


def test_frames_are_decoded_apart_and_rows_sorted() -> None:
    probability = np.concatenate([map_of(np.eye(3) * (frame != 1)) for frame in range(3)])
    found = decode(probability, 0.5)
    assert found.frame.tolist() == [0, 0, 0, 2, 2, 2]


def test_an_empty_map_gives_nothing() -> None:
    assert decode(map_of(np.zeros((4, 4))), 0.1).rows == 0
    assert decode(np.zeros((0, 4, 4, 4)), 0.1).rows == 0


def test_a_perfect_map_returns_every_emitter_to_within_its_pixel() -> None:
    rng = np.random.default_rng(0)
    truth = Emitters.of(rng.integers(0, 4, 600), *rng.uniform(0, 24, (2, 600)))
    counts = count_map(truth, (4, 24, 24))
    found = decode(np.eye(4)[counts], 0.5)
    np.testing.assert_array_equal(count_map(found, (4, 24, 24)), counts)


@settings(max_examples=40)
@given(arrays(np.float64, (6, 7), elements=st.floats(0, 0.99)), st.floats(0.2, 1))
def test_peeling_at_once_is_peeling_one_by_one(expected: np.ndarray, threshold: float) -> None:
    """Where two overlapping windows are worth the same, either may come first: such maps are passed over."""
    expected = expected + np.random.default_rng(0).uniform(0, 1e-6, expected.shape)  # no two windows alike
    at_once = np.array(places(decode(map_of(expected), threshold))).reshape(-1, 2)
    one_by_one = np.round(np.array(peel_one_by_one(expected, threshold)), 6).reshape(-1, 2)
    assert at_once.shape == one_by_one.shape
    np.testing.assert_allclose(at_once, one_by_one[np.lexsort(one_by_one.T[::-1])], atol=2e-6)


def test_localisations_never_claim_more_mass_than_there_is() -> None:
    rng = np.random.default_rng(1)
    expected = rng.uniform(0, 0.4, (30, 30))
    found = decode(map_of(expected), 0.7)
    assert 0.5 * expected.sum() < 0.7 * found.rows < expected.sum()


def test_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(T, Y, X, 4\), found shape \(4, 4, 4\)"):
        decode(np.zeros((4, 4, 4)), 0.5)


@pytest.mark.parametrize("threshold", [0.0, -1.0, 1.01, float("nan")])
def test_a_threshold_that_means_nothing_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="threshold"):
        decode(map_of(np.zeros((3, 3))), threshold)


def peel_one_by_one(expected: np.ndarray, threshold: float) -> list[tuple[float, float]]:
    """The definition, without any haste."""
    e = np.pad(expected, 1)
    found = []
    while True:
        best, windows = (0.0, 0, 0), []
        for y in range(1, e.shape[0] - 1):
            for x in range(1, e.shape[1] - 1):
                mass = e[y - 1 : y + 2, x - 1 : x + 2].sum()
                centre = min(e[y, x], 1.0)
                if mass >= threshold:
                    windows.append((centre + 0.5 * min(mass - centre, 1 - centre), y, x))
                    best = max(best, windows[-1])
        worth, y, x = best
        if not worth:
            return found
        beside = [w for w, v, u in windows if max(abs(v - y), abs(u - x)) <= 2 and (v, u) != (y, x)]
        assume(worth - max(beside, default=0.0) > 1e-9)
        window = e[y - 1 : y + 2, x - 1 : x + 2]
        centre = min(e[y, x], 1.0)
        others = window.sum() - e[y, x]
        taken = window * min(1.0, (1 - centre) / others if others else 1.0)
        taken[1, 1] = centre
        down, right = np.mgrid[-1:2, -1:2]
        found.append((x - 0.5 + (taken * right).sum() / taken.sum(), y - 0.5 + (taken * down).sum() / taken.sum()))
        window -= taken
