"""What is unlike the training data is told so, and why; what is like it is not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from model.data_config import SimulationConfig
from model.domain import TRAITS, Domain, Sums, add_up, measured, traits
from model.normalisation import measure, normalise
from model.scene import typical_scene
from model.simulator import simulate_movie
from model.targets import count_map

SEEN = SimulationConfig(structure="uniform")


def answered(frames: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Traits of a movie for a network that knows the truth, as far as a pixel tells."""
    image = normalise(frames, measure(frames, 20.0, 99.0), "hard")
    return measured(image, np.eye(4, dtype=np.float32)[counts] * 0.96 + 0.01)


def simulated(seed: int, sigma_px: float = 1.1, density: float | None = None) -> np.ndarray:
    rng = np.random.default_rng(seed)
    density = density or 0.5 * 8.0 ** rng.random()
    scene = typical_scene(SEEN, 100.0, density)._replace(sigma_px=sigma_px)
    movie = simulate_movie(scene, frames=8, size_px=48, rng=rng)
    return answered(movie.frames, count_map(movie.emitters, movie.frames.shape))


@pytest.fixture(scope="module")
def domain() -> Domain:
    return Domain(np.stack([simulated(seed) for seed in range(60)]))


def test_new_movies_of_the_training_kind_are_in_domain(domain: Domain) -> None:
    flags = [domain.surprise(simulated(seed)).out_of_domain for seed in range(100, 120)]
    assert sum(flags) <= 2


def test_a_point_spread_function_twice_as_wide_is_out_of_domain_for_its_reach(domain: Domain) -> None:
    surprise = domain.surprise(simulated(7, sigma_px=2.2))
    assert surprise.out_of_domain
    assert any("px apart" in reason for reason in surprise.reasons)


def test_rings_instead_of_spots_are_out_of_domain(domain: Domain) -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-8:9, -8:9]
    ring = np.exp(-0.5 * ((np.hypot(x, y) - 6) / 1.0) ** 2)
    frames = np.full((8, 64, 64), 200.0)
    counts = np.zeros((8, 64, 64), int)
    for frame in range(8):
        for top, left in rng.integers(0, 47, (12, 2)):
            frames[frame, top : top + 17, left : left + 17] += 300 * ring
            counts[frame, top + 8, left + 8] = 1
    assert domain.surprise(answered(rng.poisson(frames).astype("uint16"), counts)).out_of_domain


def test_a_network_that_sees_nothing_of_what_is_there_is_out_of_domain(domain: Domain) -> None:
    movie = simulate_movie(typical_scene(SEEN, 100.0, 2.0), frames=8, size_px=48, rng=np.random.default_rng(1))
    assert not domain.surprise(answered(movie.frames, count_map(movie.emitters, movie.frames.shape))).out_of_domain
    elsewhere = np.roll(count_map(movie.emitters, movie.frames.shape), (9, 14), axis=(1, 2))
    surprise = domain.surprise(answered(movie.frames, elsewhere))
    assert surprise.out_of_domain
    assert any("agreement" in reason or "not explain" in reason for reason in surprise.reasons)


def test_stripes_of_a_camera_are_out_of_domain(domain: Domain) -> None:
    rng = np.random.default_rng(2)
    stripes = rng.normal(0, 40, (8, 48, 1)) * np.ones((1, 1, 48))
    frames = (500 + stripes + rng.normal(0, 5, (8, 48, 48))).astype("uint16")
    assert domain.surprise(answered(frames, np.zeros(frames.shape, int))).out_of_domain


def test_sums_of_blocks_are_those_of_the_whole_but_for_the_pairs_of_frames_between_them() -> None:
    rng = np.random.default_rng(3)
    image = rng.normal(0, 1, (6, 20, 20)).astype(np.float32)
    probability = rng.dirichlet(np.ones(4), image.shape).astype(np.float32)
    parts = Sums.none()
    for start in (0, 2, 4):
        parts = parts.plus(add_up(image[start : start + 2], probability[start : start + 2]))
    names, whole = list(TRAITS), measured(image, probability)
    kept = [index for index, name in enumerate(names) if name != "duration" and not name.startswith("blink")]
    np.testing.assert_allclose(traits(parts)[kept], whole[kept], atol=1e-6)


def test_likeness_is_that_of_blurred_noise() -> None:
    noise = np.random.default_rng(4).normal(0, 1, (40, 64, 64))
    image = gaussian_filter(noise, (0, 1.5, 1.5)).astype(np.float32)
    told = dict(
        zip(TRAITS, measured(image, np.tile([1.0, 0, 0, 0], (*image.shape, 1)).astype(np.float32)), strict=True)
    )
    expected = np.exp(-(np.array([2, 3]) ** 2 - 1) / (4 * 1.5**2))
    assert [told["reach2"], told["reach3"]] == pytest.approx(list(expected), rel=0.03)
    assert [told["blink2"], told["blink3"]] == pytest.approx(list(expected), rel=0.03)
    assert told["duration"] == pytest.approx(0, abs=0.02)
    assert told["roundness"] == pytest.approx(0, abs=0.02)


def test_a_single_frame_is_not_surprising_for_having_no_next_one(domain: Domain) -> None:
    movie = simulate_movie(typical_scene(SEEN, 100.0, 2.0), frames=1, size_px=128, rng=np.random.default_rng(5))
    assert not domain.surprise(answered(movie.frames, count_map(movie.emitters, movie.frames.shape))).out_of_domain


def test_too_few_movies_are_no_domain() -> None:
    with pytest.raises(ValueError, match="at least 20 movies"):
        Domain(np.zeros((19, len(TRAITS))))
