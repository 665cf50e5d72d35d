"""The compiled network: it learns, clips, and comes back whole from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from model.build import AnyPrecision, AnyRecall, CountRatio, build_compiled, build_optimizer
from model.config import OptimizerConfig, resolve

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
    np.testing.assert_array_equal(again(x), model(x))
    assert float(again.optimizer.learning_rate) == float(model.optimizer.learning_rate)
    for step in (21, 22):
        ours, theirs = (each.train_on_batch(*batch(step), return_dict=True)["loss"] for each in (model, again))
        assert ours == theirs
    np.testing.assert_array_equal(again(x), model(x))


def test_pixels_without_weight_teach_nothing() -> None:
    x, y, w = batch()
    w[..., 4:] = 0
    other = y.copy()
    other[..., 4:] = 3 - other[..., 4:]
    models = [build_compiled(CONFIG, SHARES, 30) for _ in range(2)]
    for model, truth in zip(models, (y, other), strict=True):
        model.train_on_batch(x, truth, w)
    np.testing.assert_allclose(models[0](x), models[1](x), atol=1e-6)


def test_the_whole_gradient_is_scaled_to_the_norm() -> None:
    config = OptimizerConfig(name="sgd", momentum=0.0, gradient_norm=1.0)
    optimizer = build_optimizer(config, 1.0)
    weights = [keras.Variable([0.0]), keras.Variable([0.0])]
    optimizer.apply([keras.ops.convert_to_tensor([30.0]), keras.ops.convert_to_tensor([40.0])], weights)
    assert [float(weight[0]) for weight in weights] == pytest.approx([-0.6, -0.8])


@pytest.mark.parametrize(("name", "kind"), [("adam", "Adam"), ("adamw", "AdamW"), ("sgd", "SGD")])
def test_each_optimiser_gets_its_own_arguments(name: Any, kind: str) -> None:
    config = OptimizerConfig(name=name, momentum=0.8, weight_decay=0.1, gradient_norm=2.0)
    settings = build_optimizer(config, 0.5).get_config()
    assert type(build_optimizer(config, 0.5)).__name__ == kind
    assert settings["global_clipnorm"] == 2.0
    assert settings.get("momentum", 0.8) == 0.8
    assert settings["weight_decay"] == (0.1 if name == "adamw" else None)


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
