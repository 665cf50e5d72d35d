"""The ablations: what they find and what they cannot."""

from __future__ import annotations

import numpy as np

from model.decoding.alternatives import argmax, suppressed
from model.emitters import Emitters


def map_of(expected: np.ndarray) -> np.ndarray:
    """A map (1, Y, X, 4) with these expected counts, all by class 1."""
    p1 = expected[None].astype(float)
    return np.stack([1 - p1, p1, 0 * p1, 0 * p1], axis=-1)


def places(emitters: Emitters) -> list[tuple[float, float]]:
    return sorted((round(float(x), 6), round(float(y), 6)) for x, y in zip(emitters.x_px, emitters.y_px, strict=True))


def test_suppression_gives_the_centroid_of_a_lone_emitter() -> None:
    expected = np.zeros((6, 6))
    expected[0, 3], expected[0, 4] = 0.6, 0.3
    assert places(suppressed(map_of(expected), 0.5)) == [(round((0.6 * 3.5 + 0.3 * 4.5) / 0.9, 6), 0.5)]
    assert places(suppressed(map_of(expected), 0.95)) == []


def test_suppression_sees_one_of_two_neighbours() -> None:
    expected = np.zeros((6, 6))
    expected[2, 2], expected[2, 3] = 1.0, 0.9
    assert suppressed(map_of(expected), 0.5).rows == 1


def test_argmax_puts_the_most_probable_count_in_the_middle_of_its_pixel() -> None:
    probability = np.zeros((2, 4, 5, 4))
    probability[..., 0] = 1
    probability[1, 2, 3] = [0.2, 0.1, 0.6, 0.1]
    found = argmax(probability)
    assert found.frame.tolist() == [1, 1]
    assert places(found) == [(3.5, 2.5)] * 2


def test_argmax_loses_an_emitter_between_two_pixels() -> None:
    expected = np.zeros((4, 4))
    expected[1, 1] = expected[1, 2] = 0.45
    assert argmax(map_of(expected)).rows == 0
