"""The classical floor finds what stands alone and nothing that is not there."""

from __future__ import annotations

import numpy as np
import pytest

from model.benchmark.cells import Cell, validation_movies
from model.benchmark.floor import THRESHOLDS, choose_threshold, detect
from model.emitters import Emitters
from model.psf import render
from model.scoring.scores import score


def test_lone_spots_are_found_between_pixels() -> None:
    truth = Emitters.of([0, 0, 1], [10.3, 25.5, 17.8], [12.6, 8.5, 20.1], 3000.0)
    light = render(truth, (2, 36, 36), 1.09) + 100.0
    found = detect(np.random.default_rng(0).poisson(light), 2.0)
    assert found.rows == 3
    scores = score(truth, found, 1.0, 100.0)
    assert scores.f1 == 1.0
    assert scores.rmse_nm < 25


def test_noise_alone_has_few_maxima_above_a_high_threshold() -> None:
    noise = np.random.default_rng(1).poisson(100.0, (20, 64, 64))
    assert detect(noise, 2.5).rows < 20 < detect(noise, 0.5).rows


def test_two_spots_within_two_pixels_are_one() -> None:
    pair = Emitters.of([0, 0], [15.0, 16.5], [15.0, 15.0], 5000.0)
    assert detect(render(pair, (1, 30, 30), 1.09) + 100.0, 1.0).rows == 1


def test_the_threshold_that_is_chosen_is_the_best_of_those_tried() -> None:
    movies = list(validation_movies(Cell(1.0), 1))
    chosen = choose_threshold(movies, 250.0, 2.0)

    def f1(threshold: float) -> float:
        return score(movies[0].emitters, detect(movies[0].frames, threshold), 2.5, 100.0).f1

    assert f1(chosen) == pytest.approx(max(map(f1, THRESHOLDS)), abs=0.03)
