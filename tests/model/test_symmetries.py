"""The views of a movie and the mean of their answers."""

from __future__ import annotations

import numpy as np
import pytest

from model.symmetries import mean_answer, turned, turned_back

IMAGE = np.random.default_rng(0).random((2, 3, 4, 6, 1)).astype("float32")


@pytest.mark.parametrize("number", range(8))
def test_a_view_is_turned_back_to_the_image(number: int) -> None:
    assert turned(IMAGE, number).shape[2:4] == ((4, 6) if number % 2 == 0 else (6, 4))
    np.testing.assert_array_equal(turned_back(turned(IMAGE, number), number), IMAGE)


def test_the_eight_views_differ() -> None:
    square = IMAGE[:, :, :, :4]
    assert len({turned(square, number).tobytes() for number in range(8)}) == 8


@pytest.mark.parametrize("symmetries", [1, 4, 8])
def test_whoever_answers_alike_from_all_sides_is_left_unchanged(symmetries: int) -> None:
    np.testing.assert_allclose(mean_answer(lambda seen: seen**2, IMAGE, symmetries), IMAGE**2, rtol=1e-6)


def test_what_depends_on_the_side_is_averaged_over_all_sides() -> None:
    def from_the_left(seen: np.ndarray) -> np.ndarray:
        ramp = np.arange(seen.shape[3], dtype="float32")
        return np.broadcast_to(ramp[:, None], seen.shape)

    square = IMAGE[:, :, :, :4]
    assert np.ptp(mean_answer(from_the_left, square, 1)) == 3
    np.testing.assert_allclose(mean_answer(from_the_left, square, 4), 1.5)
    np.testing.assert_allclose(mean_answer(from_the_left, square, 8), 1.5)
