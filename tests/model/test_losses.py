"""The hybrid Tversky loss against values computed by hand."""

from __future__ import annotations

import math
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from model.config import LossConfig
from model.losses import CHAMPION, HybridTversky, class_weights, tversky_index

SHARES = (0.9, 0.08, 0.015, 0.005)
REFERENCE = LossConfig(preset="reference")


def one_hot(counts: Any) -> np.ndarray:
    return np.eye(4, dtype="float32")[np.asarray(counts)]


def single_pixel(p: list[float], count: int) -> tuple[np.ndarray, np.ndarray]:
    return np.full((1, 1, 1, 1), count, "int32"), np.asarray(p, "float32").reshape(1, 1, 1, 1, 4)


def loss_of(config: LossConfig, y: np.ndarray, p: np.ndarray, m: np.ndarray | None = None) -> float:
    return float(HybridTversky(SHARES, config)(y, p, m))


def random_case(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([3, 1, 1, 1], (2, 3, 5, 6)).astype("float32")
    return rng.integers(0, 4, (2, 3, 5, 6)).astype("int32"), p, rng.random((2, 3, 5, 6)).astype("float32")


def by_the_formulas(config: LossConfig, y: np.ndarray, p: np.ndarray, m: np.ndarray) -> float:
    """The formulas of the docstrings, in NumPy and double precision, without pooling."""
    g, p, m = one_hot(y).astype(float), p.astype(float), m.astype(float)

    def distance(a: np.ndarray, b: np.ndarray) -> float:
        hits, false, missed = (m * a * b).sum(), (m * a * (1 - b)).sum(), (m * (1 - a) * b).sum()
        index = (hits + 1) / (hits + (1 - config.fn_weight) * false + config.fn_weight * missed + 1)
        return float((1 - index) ** config.tversky_exponent)

    v = np.array([0.5, 0.3, 0.2])
    classes = np.array([distance(p[..., c], g[..., c]) for c in (1, 2, 3)])
    tversky = 0.5 * distance(1 - p[..., 0], 1 - g[..., 0]) + 0.5 * (v * classes).sum()
    of_truth = (p * g).sum(-1)
    weight = np.array(class_weights(SHARES, config.class_weight_exponent))[y]
    entropy = (m * weight * (1 - of_truth) ** config.focal_exponent * -np.log(of_truth)).sum() / m.sum()
    return float(config.tversky_share * tversky + (1 - config.tversky_share) * entropy)


def test_the_reference_preset_follows_its_formulas() -> None:
    y, p, m = random_case()
    assert loss_of(REFERENCE, y, p, m) == pytest.approx(by_the_formulas(REFERENCE, y, p, m), rel=1e-5)


def test_every_weight_and_exponent_takes_part() -> None:
    y, p, m = random_case(1)
    config = LossConfig(fn_weight=0.8, tversky_share=0.35, tversky_exponent=1.3, focal_exponent=0.5, pooling_px=1)
    assert loss_of(config, y, p, m) == pytest.approx(by_the_formulas(config, y, p, m), rel=1e-5)


def test_cross_entropy_alone_is_the_mean_surprise() -> None:
    config = LossConfig(tversky_share=0.0)
    y, p = single_pixel([0.25, 0.5, 0.125, 0.125], 1)
    assert loss_of(config, y, p) == pytest.approx(math.log(2))


def test_a_focal_exponent_lowers_the_price_of_what_is_nearly_right() -> None:
    config = LossConfig(tversky_share=0.0, focal_exponent=2.0)
    y, p = single_pixel([0.2, 0.8, 0.0, 0.0], 1)
    assert loss_of(config, y, p) == pytest.approx(0.2**2 * -math.log(0.8), rel=1e-5)


def test_class_weights_grow_with_rarity_up_to_twenty_five() -> None:
    assert class_weights((0.9, 0.09, 0.009, 0.0009), 0.5) == pytest.approx([1, math.sqrt(10), 10, 25])
    assert class_weights(SHARES, 0.0) == [1, 1, 1, 1]


def test_class_shares_of_zero_are_refused() -> None:
    with pytest.raises(ValueError, match="4 positive numbers"):
        HybridTversky((1.0, 0.1, 0.1, 0.0))


def test_the_tversky_index_by_hand() -> None:
    predicted, true, weight = (np.array(row, "float32") for row in ([0.5, 0.25, 0.0], [1.0, 0.0, 1.0], [1.0, 1.0, 0.5]))
    # shared 0.5, false 0.25, missed 0.5 + 0.5; fn_weight 0.7
    expected = (0.5 + 1) / (0.5 + 0.3 * 0.25 + 0.7 * 1.0 + 1)
    assert float(tversky_index(predicted, true, weight, 0.7)) == pytest.approx(expected)


def test_classes_that_no_counted_pixel_holds_take_no_part() -> None:
    config = LossConfig(tversky_share=1.0, tversky_exponent=1.0, pooling_px=1)
    y = np.array([1, 0, 3], "int32").reshape(1, 1, 1, 3)
    p = np.array([[0.5, 0.5, 0, 0], [0.5, 0, 0.5, 0], [0, 0, 0, 1]], "float32").reshape(1, 1, 1, 3, 4)
    m = np.array([1, 1, 0], "float32").reshape(1, 1, 1, 3)
    any_emitter = 1 - (0.5 + 1) / (0.5 + 0.5 * 0.5 + 0.5 * 0.5 + 1)
    only_class_1 = 1 - (0.5 + 1) / (0.5 + 0.5 * 0.5 + 1)
    assert loss_of(config, y, p, m) == pytest.approx(0.5 * any_emitter + 0.5 * only_class_1, rel=1e-5)


def test_ignored_pixels_change_nothing() -> None:
    y, p, m = random_case(2)
    m[:, :, :, 3:] = 0
    other = p.copy()
    other[:, :, :, 3:] = [0.1, 0.2, 0.3, 0.4]
    for config in (CHAMPION, REFERENCE):
        assert loss_of(config, y, p, m) == pytest.approx(loss_of(config, y, other, m))


def test_pooling_forgives_a_neighbouring_pixel_and_no_farther_one() -> None:
    config = LossConfig(tversky_share=1.0, pooling_px=3)

    def loss_at(column: int) -> float:
        truth, found = np.zeros((2, 1, 1, 1, 9), "int32")
        truth[..., 2], found[..., column] = 1, 1
        return loss_of(config, truth, one_hot(found))

    assert loss_at(2) < loss_at(3) < loss_at(4) < loss_at(5) == pytest.approx(loss_at(6))


def test_pooled_counts_are_compared_by_their_minimum() -> None:
    config = LossConfig(tversky_share=1.0, tversky_exponent=1.0, fn_weight=0.7, pooling_px=3)
    y, p = np.full((1, 1, 1, 1), 3, "int32"), one_hot([[[[1]]]])
    any_emitter = 1 - (1 + 1) / (1 + 0.7 * 2 + 1)
    third_class = 1 - 1 / (0.7 * 1 + 1)
    assert loss_of(config, y, p) == pytest.approx(0.5 * any_emitter + 0.5 * third_class, rel=1e-5)


@pytest.mark.parametrize("config", [CHAMPION, REFERENCE, LossConfig(focal_exponent=0.5, fn_weight=1.0)])
@pytest.mark.parametrize("right", [True, False])
def test_the_gradient_is_finite_at_perfect_and_at_worst_predictions(config: LossConfig, right: bool) -> None:
    y = np.arange(16, dtype="int32").reshape(1, 1, 4, 4) % 4
    logits = keras.Variable(60.0 * one_hot(y if right else (y + 1) % 4))
    loss = HybridTversky(SHARES, config)
    gradient = _gradient(lambda: loss(y, ops.softmax(logits)), logits)
    assert np.isfinite(gradient).all()
    assert float(loss(y, ops.softmax(logits))) >= 0


def test_better_predictions_cost_less() -> None:
    y = np.arange(16, dtype="int32").reshape(1, 1, 4, 4) % 4
    for config in (CHAMPION, REFERENCE):
        costs = [loss_of(config, y, (1 - a) * np.full((1, 1, 4, 4, 4), 0.25) + a * one_hot(y)) for a in (0, 0.5, 1)]
        assert costs[0] > costs[1] > costs[2]
        assert costs[2] < 1e-3


def test_a_batch_without_any_counted_pixel_costs_nothing_to_speak_of() -> None:
    y, p, m = random_case()
    assert loss_of(REFERENCE, y, p, 0 * m) < 1e-3


def test_the_loss_comes_back_from_its_config() -> None:
    y, p, m = random_case()
    loss = HybridTversky(SHARES, REFERENCE)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.config == REFERENCE
    assert float(again(y, p, m)) == float(loss(y, p, m))


def _gradient(value: Any, variable: keras.Variable) -> np.ndarray:
    import tensorflow as tf

    with tf.GradientTape() as tape:
        result = value()
    return np.asarray(tape.gradient(result, variable.value))
