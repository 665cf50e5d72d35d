"""Unevenness of the background."""

from __future__ import annotations

import numpy as np
import pytest

from model.background import gradient_noise, uneven


def test_gradient_noise_is_zero_on_its_lattice_and_within_bounds_elsewhere() -> None:
    class FromZero:
        """A generator whose noise begins on a lattice point."""

        def __init__(self) -> None:
            self._rng = np.random.default_rng(0)

        def uniform(self, low: float, high: float, size: object) -> np.ndarray:
            return np.zeros(2) if size == 2 else self._rng.uniform(low, high, size)  # type: ignore[call-overload,no-any-return]

    noise = gradient_noise((65, 33), 8.0, FromZero())  # type: ignore[arg-type]
    assert np.abs(noise[::8, ::8]).max() == 0
    assert 0.3 < np.abs(noise).max() <= 1.0


def test_gradient_noise_is_smooth_on_the_scale_of_its_cells() -> None:
    noise = gradient_noise((64, 64), 16.0, np.random.default_rng(1))
    assert np.abs(np.diff(noise, axis=0)).max() < 4 / 16
    assert np.abs(np.diff(noise, axis=1)).max() < 4 / 16
    assert noise.std() > 0.05


def test_the_uneven_background_keeps_its_mean_and_its_amplitude() -> None:
    rng = np.random.default_rng(2)
    fields = np.array([uneven(100.0, 0.2, (48, 96), rng) for _ in range(60)])
    assert fields.shape == (60, 48, 96)
    assert fields.mean() == pytest.approx(100.0, rel=0.01)
    assert 80.0 <= fields.min() < 90.0
    assert 110.0 < fields.max() <= 120.0
