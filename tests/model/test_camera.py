"""Noise models: mean, variance, limits."""

from __future__ import annotations

import numpy as np
import pytest

from model.camera import CAMERAS, Camera, expose


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
