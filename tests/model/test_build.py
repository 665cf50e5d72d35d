"""The compiled network: it learns, clips, and comes back whole from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from model.build import (
    AnyPrecision,
    AnyRecall,
    CountRatio,
    build_compiled,
    build_optimizer,
    first_tversky_epoch,
    handed_out,
    loss_in,
)
from model.config import OptimizerConfig, flatten, resolve

SHARES = (0.9, 0.08, 0.015, 0.005)
CONFIG = resolve(
    {
        "model.base_filters": 2,
        "model.depth": 1,
        "model.convolutions_per_block": 1,
        "data.patch_px": 8,
        "optimizer.learning_rate": 0.02,
    }
)


def batch(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frames in which brightness is the count."""
    rng = np.random.default_rng(seed)
    y = rng.choice(4, (2, 3, 8, 8), p=[0.7, 0.1, 0.1, 0.1]).astype("int32")
    return (y[..., None] / 1.5 - 1).astype("float32"), y, np.ones(y.shape, "float32")


@pytest.fixture(scope="module")
def trained() -> tuple[keras.Model, list[dict[str, float]]]:
    model = build_compiled(CONFIG, SHARES, 30)
    history = [model.train_on_batch(*batch(step), return_dict=True) for step in range(20)]
    return model, history


def test_training_lowers_the_loss(trained: tuple[keras.Model, list[dict[str, Any]]]) -> None:
    model, history = trained
    before = build_compiled(CONFIG, SHARES, 30).test_on_batch(*batch(99), return_dict=True)["loss"]
    assert model.test_on_batch(*batch(99), return_dict=True)["loss"] < before
    assert history[0].keys() == {"loss", "any_precision", "any_recall", "count_ratio"}


def test_a_file_brings_back_everything_so_that_training_goes_on_alike(
    trained: tuple[keras.Model, list[dict[str, Any]]], tmp_path: Path
) -> None:
    model, _ = trained
    model.save(tmp_path / "x.keras")
    again = keras.saving.load_model(tmp_path / "x.keras")
    x = batch(50)[0]
    np.testing.assert_allclose(again(x), model(x), atol=1e-6)
    assert float(again.optimizer.learning_rate) == float(model.optimizer.learning_rate)
    for step in (21, 22):
        ours, theirs = (each.train_on_batch(*batch(step), return_dict=True)["loss"] for each in (model, again))
        assert ours == pytest.approx(theirs, rel=1e-5)
    np.testing.assert_allclose(again(x), model(x), atol=1e-5)


def test_pixels_without_weight_teach_nothing() -> None:
    x, y, w = batch()
    w[..., 4:] = 0
    other = y.copy()
    other[..., 4:] = 3 - other[..., 4:]
    models = [build_compiled(CONFIG, SHARES, 30) for _ in range(2)]
    for model, truth in zip(models, (y, other), strict=True):
        model.train_on_batch(x, truth, w)
    np.testing.assert_allclose(models[0](x), models[1](x), atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "mixed_float16", "mixed_bfloat16"])
def test_what_is_handed_out_is_the_mean_of_the_weights_in_float32(precision: str) -> None:
    config = resolve({**flatten(CONFIG), "training.precision": precision, "optimizer.ema": 0.5})
    network = build_compiled(config, SHARES, 30)
    history = []
    for step in range(3):
        network.train_on_batch(*batch(step))
        history.append(network.get_weights())
    first, second, third = history
    final = handed_out(network, config, SHARES)
    for weights in zip(final.get_weights(), first, second, third, strict=True):
        found, *taken = weights
        np.testing.assert_allclose(found, 0.25 * taken[0] + 0.25 * taken[1] + 0.5 * taken[2], atol=1e-6)
    assert {layer.compute_dtype for layer in final.layers} == {"float32"}
    assert np.asarray(final(batch()[0])) == pytest.approx(np.asarray(network(batch()[0])), abs=0.05)
    assert not getattr(final, "optimizer", None)


@pytest.mark.parametrize(("precision", "computed"), [("mixed_float16", "float16"), ("mixed_bfloat16", "bfloat16")])
def test_half_precision_is_for_the_network_and_for_neither_its_weights_nor_its_answer(
    precision: str, computed: str
) -> None:
    network = build_compiled(resolve({**flatten(CONFIG), "training.precision": precision}), SHARES, 30)
    layer = network.get_layer("down0_conv0")
    assert (layer.compute_dtype, layer.kernel.dtype) == (computed, "float32")
    assert network(batch()[0]).dtype == "float32"
    assert (type(network.optimizer).__name__ == "LossScaleOptimizer") == (computed == "float16")
    assert keras.config.dtype_policy().name == "float32", "nothing else computes in it"
    losses = [network.train_on_batch(*batch(step), return_dict=True)["loss"] for step in range(20)]
    assert losses[-1] < losses[0]


def test_the_tversky_term_begins_with_its_epoch() -> None:
    config = resolve({"loss.tversky_from": 0.85, "training.epochs": 10})
    assert first_tversky_epoch(config) == 8
    shares = [loss_in(config, epoch).tversky_share for epoch in range(10)]
    assert shares == [0.0] * 8 + [0.2] * 2
    assert first_tversky_epoch(resolve({})) == 0


def test_xla_compiles_the_step_where_it_is_asked_for() -> None:
    compiled = [build_compiled(resolve({**flatten(CONFIG), "training.xla": xla}), SHARES, 3) for xla in ("on", "off")]
    assert [network.jit_compile for network in compiled] == [True, False]
    losses = [network.train_on_batch(*batch(), return_dict=True)["loss"] for network in compiled]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_the_whole_gradient_is_scaled_to_the_norm() -> None:
    config = OptimizerConfig(name="sgd", momentum=0.0, gradient_norm=1.0)
    optimizer = build_optimizer(config, 1.0)
    weights = [keras.Variable([0.0]), keras.Variable([0.0])]
    optimizer.apply([keras.ops.convert_to_tensor([30.0]), keras.ops.convert_to_tensor([40.0])], weights)
    assert [float(weight[0]) for weight in weights] == pytest.approx([-0.6, -0.8])


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD")])
def test_each_optimiser_gets_its_own_arguments(name: Any, kind: str) -> None:
    decay = 0.1 if name == "adamw" else 0.0
    config = OptimizerConfig(name=name, momentum=0.8, weight_decay=decay, gradient_norm=2.0, ema=0.9)
    settings = build_optimizer(config, 0.5).get_config()
    assert type(build_optimizer(config, 0.5)).__name__ == kind
    assert settings["global_clipnorm"] == 2.0
    assert settings.get("momentum", 0.8) == 0.8
    assert settings["weight_decay"] == (decay or None)
    assert (settings["use_ema"], settings["ema_momentum"]) == (True, 0.9)


def test_epoch_metrics_by_hand() -> None:
    y = np.array([1, 1, 0, 2], "int32").reshape(1, 1, 1, 4)
    p = np.array([[0.2, 0.8, 0, 0], [0.9, 0.1, 0, 0], [0.4, 0.6, 0, 0], [0, 0, 1, 0]], "float32").reshape(1, 1, 1, 4, 4)
    results = {}
    for metric in (AnyPrecision(), AnyRecall(), CountRatio()):
        metric.update_state(y, p, np.ones((1, 1, 1, 4), "float32"))
        results[metric.name] = float(metric.result())
    assert results == pytest.approx({"any_precision": 2 / 3, "any_recall": 2 / 3, "count_ratio": 3.5 / 4})


def test_epoch_metrics_leave_out_ignored_pixels() -> None:
    y, p = np.array([[[[1, 0]]]], "int32"), np.array([[[[[0.2, 0.8, 0, 0], [0.2, 0.8, 0, 0]]]]], "float32")
    precision, ratio = AnyPrecision(), CountRatio()
    for metric in (precision, ratio):
        metric.update_state(y, p, np.array([[[[1, 0]]]], "float32"))
    assert float(precision.result()) == 1
    assert float(ratio.result()) == pytest.approx(0.8)
