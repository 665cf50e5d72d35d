"""From a configuration to a network that is ready for `fit`, and from a trained one to what is handed out.

`build_compiled` joins the parts: the 3D-UNet, the optimiser with its schedule and clipped gradient, the hybrid Tversky
loss and three numbers that each epoch reports. Everything is registered with Keras under `hdsmlm`, so `model.save` and
`keras.saving.load_model` bring back weights, optimiser, schedule and loss; import this module before loading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from model.averaging import put_mean_in_place
from model.config import LossConfig, OptimizerConfig, TrainConfig
from model.losses import HybridTversky
from model.schedules import warmup_cosine_step
from model.unet import build_unet

Tensor = Any
"""A tensor of whichever backend Keras runs on."""


def build_compiled(config: TrainConfig, class_shares: Sequence[float], total_steps: int) -> keras.Model:
    """The compiled network of a run that will take `total_steps` optimiser steps, as its first epoch needs it.

    Raises:
        ValueError: `class_shares` are not four positive numbers, or `total_steps` is not positive.
    """
    with _computing_in(config.training.precision):
        network = build_unet(config.model, class_shares, seed=config.training.seed)
    schedule = warmup_cosine_step(config.optimizer, config.schedule, total_steps)
    return compiled(network, config, class_shares, build_optimizer(config.optimizer, schedule))


def compiled(
    network: keras.Model,
    config: TrainConfig,
    class_shares: Sequence[float],
    optimizer: keras.Optimizer,
    epoch: int = 0,
) -> keras.Model:
    """The network, compiled with the loss that holds in an epoch, from 0; the state of its optimiser is kept."""
    network.compile(
        optimizer=optimizer,
        loss=HybridTversky(class_shares, loss_in(config, epoch)),
        weighted_metrics=[AnyPrecision(), AnyRecall(), CountRatio()],
        jit_compile={"auto": "auto", "on": True, "off": False}[config.training.xla],
    )
    network.optimizer.build(network.trainable_variables)  # TensorFlow would trace a step that makes variables twice
    return network


def loss_in(config: TrainConfig, epoch: int) -> LossConfig:
    """The loss of an epoch, from 0: cross entropy alone before `first_tversky_epoch`."""
    early = {"tversky_share": 0.0} if epoch < first_tversky_epoch(config) else {}
    return config.loss.model_copy(update={**early, "tversky_from": 0.0})


def first_tversky_epoch(config: TrainConfig) -> int:
    """The epoch, from 0, with which λ begins to hold."""
    return round(config.loss.tversky_from * config.training.epochs)


def handed_out(network: keras.Model, config: TrainConfig, class_shares: Sequence[float]) -> keras.Model:
    """What a training leaves: the mean of its weights where one was kept, in float32, without an optimiser.

    The trained network keeps the mean as its weights.
    """
    put_mean_in_place(network)
    final = build_unet(config.model, class_shares)
    final.set_weights(network.get_weights())
    return final


def build_optimizer(
    config: OptimizerConfig, learning_rate: float | keras.optimizers.schedules.LearningRateSchedule
) -> keras.Optimizer:
    """The optimiser, which scales the whole gradient down to the norm `config.gradient_norm` where it is longer."""
    shared: dict[str, Any] = {"learning_rate": learning_rate, "global_clipnorm": config.gradient_norm}
    if config.ema:
        shared |= {"use_ema": True, "ema_momentum": config.ema}
    if config.name == "sgd":
        return keras.optimizers.SGD(momentum=config.momentum, **shared)
    if config.name == "adamw":
        return keras.optimizers.AdamW(weight_decay=config.weight_decay, **shared)
    return keras.optimizers.Adam(**shared)


@keras.saving.register_keras_serializable(package="hdsmlm")
class AnyPrecision(keras.metrics.Precision):
    """Share of the pixels called occupied (probability of any emitter above one half) that are."""

    def __init__(self, name: str = "any_precision", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        """Take in counts (B, T, Y, X), probabilities (B, T, Y, X, 4) and weights (B, T, Y, X)."""
        super().update_state(y_true > 0, 1 - y_pred[..., 0], sample_weight)


@keras.saving.register_keras_serializable(package="hdsmlm")
class AnyRecall(keras.metrics.Recall):
    """Share of the occupied pixels that are called so (probability of any emitter above one half)."""

    def __init__(self, name: str = "any_recall", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        """Take in counts (B, T, Y, X), probabilities (B, T, Y, X, 4) and weights (B, T, Y, X)."""
        super().update_state(y_true > 0, 1 - y_pred[..., 0], sample_weight)


@keras.saving.register_keras_serializable(package="hdsmlm")
class CountRatio(keras.metrics.Metric):
    """Expected emitters over true ones: 1 where the map is calibrated in the mean; 0 before the first emitter."""

    def __init__(self, name: str = "count_ratio", **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        self.expected = self.add_weight(name="expected", initializer="zeros")
        self.true = self.add_weight(name="true", initializer="zeros")

    def update_state(self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None) -> None:
        """Take in counts (B, T, Y, X), probabilities (B, T, Y, X, 4) and weights (B, T, Y, X)."""
        weight = 1.0 if sample_weight is None else ops.cast(sample_weight, self.dtype)
        expected = y_pred[..., 1] + 2 * y_pred[..., 2] + 3 * y_pred[..., 3]  # (B, T, Y, X)
        self.expected.assign_add(ops.sum(weight * expected))
        self.true.assign_add(ops.sum(weight * ops.cast(y_true, self.dtype)))

    def result(self) -> Tensor:
        """The ratio, one number."""
        return ops.divide_no_nan(self.expected, self.true)


@contextmanager
def _computing_in(precision: str) -> Iterator[None]:
    """Layers that are made meanwhile compute in `precision`, and remember it."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
