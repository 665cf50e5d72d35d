"""Percentiles of a stack and scaling by them."""

from __future__ import annotations

import numpy as np
import pytest

from model.errors import InputError
from model.normalisation import Intensities, measure, normalise


def test_percentiles_are_those_of_the_whole_stack() -> None:
    frames = np.arange(101, dtype=np.uint16).reshape(101, 1, 1)
    assert measure(frames, 20, 99) == Intensities(20.0, 99.0)


def test_low_and_high_become_minus_one_and_one() -> None:
    frames = np.array([[[100, 200, 300, 50, 400]]], np.uint16)
    hard = normalise(frames, Intensities(100, 300), "hard")
    scaled = normalise(frames, Intensities(100, 300), "scale-only")
    assert hard.ravel().tolist() == [-1, 0, 1, -1, 1]
    assert scaled.ravel().tolist() == [-1, 0, 1, -1.5, 2]
    assert hard.dtype == np.float32


def test_normalising_leaves_the_stack_as_it_was() -> None:
    frames = np.array([[[1.0, 2.0]]], np.float32)
    normalise(frames, Intensities(0, 1), "hard")
    assert frames.ravel().tolist() == [1.0, 2.0]


def test_baseline_and_gain_of_a_movie_make_no_difference() -> None:
    frames = np.random.default_rng(0).integers(0, 5000, (10, 16, 16), np.int32)
    other = frames * 3 + 700
    first, second = (normalise(stack, measure(stack, 20, 99), "hard") for stack in (frames, other))
    assert first == pytest.approx(second, abs=1e-5)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (np.full((3, 4, 4), 7, np.uint16), "constant"),
        (np.zeros((0, 4, 4), np.uint16), "no pixels"),
        (np.full((3, 4, 4), np.nan, np.float32), "NaN"),
        (np.where(np.arange(1000) % 20 == 0, 65535, 100).astype(np.uint16), "saturated"),
        (np.where(np.arange(1000) % 20 == 0, 255, np.arange(1000) % 90).astype(np.uint8), "saturated"),
    ],
)
def test_a_stack_that_cannot_be_scaled_is_refused_with_the_reason(frames: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure(frames, 20, 99)


def test_a_few_saturated_pixels_are_no_reason_to_refuse() -> None:
    frames = np.arange(1000, dtype=np.uint16)
    frames[:5] = 65535
    assert measure(frames, 20, 99).high < 1000
    assert measure(frames, 20, 99.9).high == 65535
