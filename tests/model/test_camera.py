"""Noise models: mean, variance, limits."""

from __future__ import annotations

import numpy as np
import pytest

from model.camera import CAMERAS, Camera, altered, expose, with_pixel_maps


def exposed(photons: float, camera: Camera) -> np.ndarray:
    return expose(np.full((4, 100, 100), photons), camera, np.random.default_rng(0)).astype(float)


@pytest.mark.parametrize("name", ["emccd", "scmos"])
@pytest.mark.parametrize("photons", [5.0, 200.0])
def test_mean_and_variance_follow_the_camera_model(name: str, photons: float) -> None:
    camera = CAMERAS[name]
    counts = exposed(photons, camera)
    gain = (camera.em_gain or 1.0) / camera.electrons_per_adu
    electrons = camera.quantum_efficiency * photons + camera.spurious_charge
    variance = (camera.excess * electrons + camera.input_read_noise**2) * gain**2 + 1 / 12
    assert counts.mean() == pytest.approx(electrons * gain + camera.baseline - 0.5, rel=0.01)
    assert counts.var() == pytest.approx(variance, rel=0.05)


def test_the_read_noise_of_the_emccd_is_a_quarter_electron_before_its_gain() -> None:
    assert CAMERAS["emccd"].input_read_noise == pytest.approx(0.248)
    assert (CAMERAS["emccd"].excess, CAMERAS["scmos"].excess) == (2.0, 1.0)


def test_counts_end_at_the_limits_of_sixteen_bits() -> None:
    dark = CAMERAS["scmos"]._replace(baseline=0, read_noise=1000.0)
    assert exposed(1e7, CAMERAS["emccd"]).min() == 65535
    assert exposed(0.0, dark).min() == 0


def test_the_same_seed_gives_the_same_bytes() -> None:
    photons = np.full((2, 8, 8), 30.0)
    first, again, other = (expose(photons, CAMERAS["emccd"], np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.tobytes() != other.tobytes()


def test_pixel_maps_give_each_pixel_a_gain_a_noise_and_a_baseline_of_its_own() -> None:
    camera = with_pixel_maps(CAMERAS["scmos"], (6, 7), np.random.default_rng(1))
    dark, lit = (expose(np.full((4000, 6, 7), photons), camera, np.random.default_rng(2)) for photons in (0.0, 400.0))
    assert dark.mean(axis=0) == pytest.approx(np.asarray(camera.baseline) - 0.5, abs=0.35)
    assert dark.std(axis=0) == pytest.approx(np.hypot(np.asarray(camera.input_read_noise) / 0.7471, 0.29), rel=0.1)
    gain = (lit.mean(axis=0) - dark.mean(axis=0)) / (0.95 * 400)
    assert gain == pytest.approx(1 / np.asarray(camera.electrons_per_adu), rel=0.02)
    assert np.ptp(gain) > 0.03


def test_the_camera_of_some_pixels_has_their_values() -> None:
    camera = with_pixel_maps(CAMERAS["scmos"], (6, 7), np.random.default_rng(1))
    some = camera.at(np.array([2, 5]), np.array([0, 6]))
    assert np.asarray(some.read_noise).tolist() == np.asarray(camera.read_noise)[[2, 5], [0, 6]].tolist()
    assert CAMERAS["emccd"].at(np.array([2]), np.array([0])) == CAMERAS["emccd"]


def test_an_altered_camera_stays_within_the_factor_and_is_of_the_same_kind() -> None:
    rng = np.random.default_rng(3)
    gains = np.array([altered(CAMERAS["emccd"], 2.0, rng).em_gain for _ in range(300)])
    assert 150 <= gains.min() < 170
    assert 530 < gains.max() <= 600
    assert altered(CAMERAS["scmos"], 2.0, rng).em_gain is None
    assert altered(CAMERAS["emccd"], 1.0, rng) == CAMERAS["emccd"]
