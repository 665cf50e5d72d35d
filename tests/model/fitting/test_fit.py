"""The fit: right where emitters stand alone, better than its seeds where they overlap, honest about its errors."""

from __future__ import annotations

import numpy as np
import pytest

from model.emitters import Emitters
from model.fitting.fit import Optics, fit
from model.fitting.images import Windows
from model.fitting.uncertainty import bounds
from model.fitting.width import fitted_width
from model.psf import render
from model.scoring.matching import match

POISSON = Optics(sigma_px=1.1, excess=1.0)
EDGE_PX, BACKGROUND = 40, 20.0


def scene(per_frame: int, frames: int, seed: int, photons: float = 2000.0) -> tuple[np.ndarray, Emitters]:
    rng = np.random.default_rng(seed)
    rows = per_frame * frames
    places = rng.uniform(2, EDGE_PX - 2, (2, rows))
    truth = Emitters.of(np.repeat(np.arange(frames), per_frame), *places, rng.uniform(0.7, 1.3, rows) * photons)
    light = render(truth, (frames, EDGE_PX, EDGE_PX), POISSON.sigma_px) + BACKGROUND
    return rng.poisson(light).astype(float), truth


def shaken(truth: Emitters, error_px: float) -> Emitters:
    rng = np.random.default_rng(99)
    moved = [np.clip(each + rng.normal(0, error_px, truth.rows), 0, EDGE_PX - 0.01) for each in truth[1:3]]
    return truth._replace(x_px=moved[0], y_px=moved[1], photons=np.full(truth.rows, np.nan))


def test_light_that_is_spread_is_what_is_rendered() -> None:
    rng = np.random.default_rng(0)
    emitters = Emitters.of([0, 0, 1, 2], *rng.uniform(0, 20, (2, 4)), [100.0, 200.0, 300.0, 400.0])
    windows = Windows.around(emitters, (3, 20, 20), 1.1)
    light = windows.shares(emitters.x_px, emitters.y_px, 1.1).light
    spread = windows.spread(emitters.photons[:, None] * light)
    np.testing.assert_allclose(spread, render(emitters, (3, 20, 20), 1.1), atol=0.6)


def test_slopes_are_those_of_the_light() -> None:
    emitters = Emitters.of([0], [10.3], [9.8])
    windows, step = Windows.around(emitters, (1, 20, 20), 1.1), 1e-5
    shares = windows.shares(emitters.x_px, emitters.y_px, 1.1)
    for slope, dx, dy in ((shares.by_x, step, 0.0), (shares.by_y, 0.0, step)):
        ahead = windows.shares(emitters.x_px + dx, emitters.y_px + dy, 1.1).light
        behind = windows.shares(emitters.x_px - dx, emitters.y_px - dy, 1.1).light
        np.testing.assert_allclose(slope, (ahead - behind) / (2 * step), atol=1e-8)


def test_gathering_is_the_transpose_of_spreading() -> None:
    rng = np.random.default_rng(1)
    emitters = Emitters.of([0, 1, 1], *rng.uniform(0, 15, (2, 3)))
    windows = Windows.around(emitters, (2, 15, 15), 1.0)
    light, movie = rng.normal(size=windows.pixels.shape), rng.normal(size=(2, 15, 15))
    assert (windows.spread(light) * movie).sum() == pytest.approx((light * windows.gather(movie)).sum())


def test_sparse_emitters_are_found_to_their_bound_and_errors_are_as_stated() -> None:
    movie, truth = scene(per_frame=4, frames=60, seed=2)
    fitted = fit(movie, shaken(truth, 0.3), POISSON, 0.3)
    error = bounds(fitted, POISSON)
    x_error = fitted.emitters.x_px - truth.x_px
    near = np.abs(x_error) < 0.5  # a few stand in pairs
    assert near.mean() > 0.97
    assert np.std((x_error / error.x_px)[near]) == pytest.approx(1.0, abs=0.25)
    assert np.median(error.x_px) == pytest.approx(1.1 / np.sqrt(2000), rel=0.5)
    assert np.median(fitted.emitters.photons / truth.photons) == pytest.approx(1.0, abs=0.03)
    assert fitted.background.mean() == pytest.approx(BACKGROUND, rel=0.05)


def test_crowded_emitters_come_nearer_to_the_truth_than_their_seeds() -> None:
    movie, truth = scene(per_frame=64, frames=6, seed=3)  # 4 per um² at 100 nm pixels
    seeds = shaken(truth, 0.35)
    fitted = fit(movie, seeds, POISSON, 0.35).emitters
    before, after = (match(truth, each, 1.0).distance_px for each in (seeds, fitted))
    assert len(after) >= 0.98 * len(before)
    assert np.sqrt((after**2).mean()) < 0.5 * np.sqrt((before**2).mean())


def test_two_emitters_half_a_width_apart_stay_within_what_was_known() -> None:
    truth = Emitters.of([0, 0], [20.0, 20.5], [20.0, 20.0], [1500.0, 1500.0])
    movie = np.random.default_rng(4).poisson(render(truth, (1, EDGE_PX, EDGE_PX), 1.1) + BACKGROUND).astype(float)
    fitted = fit(movie, truth, POISSON, 0.3)
    assert np.abs(fitted.emitters.x_px - truth.x_px).max() < 0.9
    assert fitted.emitters.photons.sum() == pytest.approx(3000, rel=0.1)
    alone = bounds(fit(movie, truth.select(np.array([0])), POISSON, 0.3), POISSON)
    assert (bounds(fitted, POISSON).x_px > 3 * alone.x_px).all()


def test_without_candidates_there_is_nothing_but_background() -> None:
    movie, _ = scene(per_frame=0, frames=2, seed=5)
    fitted = fit(movie, Emitters.none(), POISSON, 0.3)
    assert fitted.emitters.rows == 0
    assert bounds(fitted, POISSON).x_px.shape == (0,)
    assert fitted_width(movie, Emitters.none(), POISSON, 0.3) == POISSON.sigma_px


@pytest.mark.parametrize("guess", [0.9, 1.4])
def test_the_width_is_told_by_the_movie(guess: float) -> None:
    movie, truth = scene(per_frame=16, frames=12, seed=6)
    found = fitted_width(movie, shaken(truth, 0.3), POISSON._replace(sigma_px=guess), 0.3)
    assert found == pytest.approx(1.1, abs=0.04)
