"""Scaling: it finds what bent the probabilities, and the network answers straight from then on."""

from __future__ import annotations

import numpy as np
import pytest

from model.calibration import Scaling, fit_scaling
from model.config import ModelConfig, resolve
from model.emitters import LabelledMovie
from model.scoring.maps import calibration
from model.targets import count_map
from model.unet import build_unet
from model.validation import calibrate, predicted_map

SHARES = [0.7, 0.2, 0.07, 0.03]


def drawn(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, 4), and classes drawn with them."""
    rng = np.random.default_rng(seed)
    probability = rng.dirichlet([4.0, 1.0, 0.5, 0.3], rows)
    return probability, (rng.random((rows, 1)) > np.cumsum(probability, axis=1)).sum(axis=1).clip(0, 3)


def test_what_is_calibrated_stays_as_it_is() -> None:
    probability, classes = drawn(20_000)
    found = fit_scaling(probability, classes, np.ones(20_000))
    assert found.slope == pytest.approx(1, abs=0.05)
    np.testing.assert_allclose(found.of(probability), probability, atol=0.03)


@pytest.mark.parametrize("bend", [0.5, 2.0])
def test_too_sure_and_too_unsure_answers_are_bent_back(bend: float) -> None:
    probability, classes = drawn(20_000)
    bent = probability**bend * np.array([1.0, 1.5, 1.0, 0.7])
    bent /= bent.sum(axis=1, keepdims=True)
    found = fit_scaling(bent, classes, np.ones(20_000))
    before, after = (calibration(classes, each).error for each in (bent, found.of(bent)))
    assert before > 0.04
    assert after < 0.015


def test_pixels_without_weight_have_no_say() -> None:
    probability, classes = drawn(20_000)
    weights = (np.arange(20_000) % 2).astype(float)
    misled = np.where(weights > 0, classes, 3)
    found = fit_scaling(probability, misled, weights)
    np.testing.assert_allclose(found.of(probability), probability, atol=0.04)


def test_a_scaled_network_answers_as_its_scaled_probabilities() -> None:
    network = build_unet(ModelConfig(depth=1, base_filters=2, convolutions_per_block=1), SHARES, seed=4)
    x = np.random.default_rng(1).normal(0, 1, (1, 3, 12, 12, 1))
    before = network.predict_on_batch(x)
    scaling = Scaling(0.6, np.array([0.5, -0.2, 0.1, 0.0]))
    scaling.apply_to(network)
    np.testing.assert_allclose(network.predict_on_batch(x), scaling.of(before), atol=1e-5)


def test_a_network_that_expects_too_much_is_calibrated_on_movies_like_those_of_its_training() -> None:
    config = resolve({"model.depth": 1, "model.base_filters": 2, "model.convolutions_per_block": 1})
    network = build_unet(config.model, [0.3, 0.5, 0.1, 0.1], seed=4)
    seen: list[LabelledMovie] = []

    def error() -> float:
        from model.validation import _scene

        seen[:] = [_scene(config, number) for number in (100, 101)]
        return float(
            np.mean(
                [
                    calibration(count_map(m.emitters, m.frames.shape), predicted_map(network, m, config)).error
                    for m in seen
                ]
            )
        )

    before = error()
    calibrate(network, config, seen[0], 6)
    assert error() < 0.2 * before
