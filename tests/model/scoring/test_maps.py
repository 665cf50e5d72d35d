"""Count maps judged pixel by pixel: by hand and against every flow."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from model.scoring.maps import calibration, pix8

small = arrays(np.int64, (1, 3, 4), elements=st.sampled_from([0, 0, 0, 0, 1, 2]))


def counts(*places: tuple[int, int, int], shape: tuple[int, int, int] = (1, 6, 6)) -> np.ndarray:
    held = np.zeros(shape, np.int64)
    np.add.at(held, tuple(np.array(places, int).reshape(-1, 3).T), 1)
    return held


def test_a_count_may_move_to_any_of_the_eight_neighbours_and_no_further() -> None:
    truth = counts((0, 2, 2))
    assert pix8(truth, counts((0, 3, 3))) == (1, 1, 1, 1, 0, 0)
    assert pix8(truth, counts((0, 2, 4))).hits == 0
    assert pix8(truth, counts((0, 2, 2), (0, 2, 3)))[:4] == (1, 1, 1, 2)


def test_counts_never_move_to_another_frame() -> None:
    shape = (2, 6, 6)
    assert pix8(counts((0, 2, 2), shape=shape), counts((1, 2, 2), shape=shape)).hits == 0


def test_empty_maps_have_no_hits() -> None:
    assert pix8(counts(), counts())[:4] == (0, 0, 0, 0)
    assert pix8(counts((0, 1, 1)), counts())[:4] == (0, 1, 0, 0)


def test_maps_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        pix8(np.zeros((1, 2, 2), int), np.zeros((1, 2, 3), int))


@settings(max_examples=100)
@given(small, small)
def test_no_assignment_of_units_finds_more(true: np.ndarray, found: np.ndarray) -> None:
    def units(held: np.ndarray) -> list[np.ndarray]:
        return [at for at in np.argwhere(held) for _ in range(held[tuple(at)])][:5]

    truth, predicted = units(true), units(found)
    true, found = (counts(*map(tuple, each), shape=(1, 3, 4)) for each in (truth, predicted))  # type: ignore[arg-type]
    fewer, more = sorted((truth, predicted), key=len)
    best = max(
        sum(int(np.abs(a - b).max() <= 1) for a, b in zip(fewer, chosen, strict=True))
        for chosen in itertools.permutations(more, len(fewer))
    )
    assert pix8(true, found).hits == best


def test_a_map_that_says_what_comes_true_is_calibrated() -> None:
    p = np.repeat([0.05, 0.25, 0.75], 400)
    probability = np.stack([1 - p, p, 0 * p, 0 * p], axis=1)
    truth = np.concatenate([np.arange(400) < 400 * share for share in (0.05, 0.25, 0.75)])
    found = calibration(truth, probability)
    assert found.error == pytest.approx(0, abs=1e-12)
    assert found.pixels[[0, 2, 7]].tolist() == [400, 400, 400]


def test_the_error_of_a_map_that_is_too_sure_is_by_how_much() -> None:
    p = np.repeat([0.0, 0.9], [900, 100])
    probability = np.stack([1 - p, p, 0 * p, 0 * p], axis=1)
    truth = np.concatenate([np.zeros(900), np.arange(100) < 60])
    found = calibration(truth, probability)
    assert found.error == pytest.approx(0.3 * 100 / 1000)
    assert found.error_where_likely == pytest.approx(0.3)
