"""A run's training: build or restore, fit, checkpoint each epoch, evaluate.

Control and tracking are passed in. Batch i depends on the configuration, the seed and i alone, so a run that resumes
at step k sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from model.build import build_compiled
from model.config import TrainConfig
from model.dataset import Datasets, build_datasets
from model.evaluation import Evaluation, evaluate
from worker.checkpoint import Checkpoints, EpochRecord, Progress
from worker.control import Control
from worker.failures import DivergedError, ReleasedError, TimeLimitError

_TELL_EVERY_S = 2.0


class Trained(NamedTuple):
    """A finished training."""

    network: keras.Model
    progress: Progress
    evaluation: Evaluation
    datasets: Datasets


class Listener(NamedTuple):
    """Who hears of the training as it goes on."""

    began: Callable[[Progress], None]
    """With what a checkpoint carried."""
    advanced: Callable[[int, float], None]
    """Epochs done and optimiser steps per second, every few seconds."""
    epoch_ended: Callable[[EpochRecord], None]


def train(config: TrainConfig, checkpoints: Checkpoints, control: Control, listener: Listener) -> Trained:
    """Train a run to its end, from its newest checkpoint where there is one.

    Raises:
        ReleasedError, TimeLimitError: stopped, with a checkpoint of the step reached.
        CancelledError: stopped, without.
        DivergedError: the loss is not finite.
    """
    keras.utils.set_random_seed(config.training.seed)
    datasets = build_datasets(config)
    total_steps = config.training.epochs * config.training.steps_per_epoch
    network, progress = checkpoints.load() or (
        build_compiled(config, datasets.class_shares.tolist(), total_steps),
        Progress(),
    )
    listener.began(progress)
    loop = _Loop(config, checkpoints, control, listener, progress)
    while not loop.is_over:
        loop.fit(network, datasets)
    return Trained(network, loop.progress, evaluate(network, config, datasets), datasets)


class _Loop(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """The training loop's side of the attempt; `fit` trains up to the next end of an epoch, or many."""

    def __init__(
        self,
        config: TrainConfig,
        checkpoints: Checkpoints,
        control: Control,
        listener: Listener,
        progress: Progress,
    ) -> None:
        super().__init__()
        self.progress = progress
        self._config = config.training
        self._checkpoints, self._control, self._listener = checkpoints, control, listener
        self._step = progress.step
        self._told_at, self._told_step = time.monotonic(), progress.step

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or early stopping says so."""
        return self._epochs_done >= self._config.epochs or self._is_stale()

    @property
    def _epochs_done(self) -> int:
        return self._step // self._config.steps_per_epoch

    def fit(self, network: keras.Model, datasets: Datasets) -> None:
        """Train the rest of an epoch that was begun, else all epochs that are left."""
        begun = self._step % self._config.steps_per_epoch
        last = self._epochs_done + 1 if begun else self._config.epochs
        network.fit(
            datasets.train(self._step),
            initial_epoch=self._epochs_done,
            epochs=last,
            steps_per_epoch=self._config.steps_per_epoch - begun,
            validation_data=datasets.validation,
            callbacks=[self],
            shuffle=False,
            verbose=0,
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Count the step, tell of it now and then, and stop where that is ordered."""
        self._step += 1
        now = time.monotonic()
        if now - self._told_at >= _TELL_EVERY_S:
            self._listener.advanced(self._epochs_done, (self._step - self._told_step) / (now - self._told_at))
            self._told_at, self._told_step = now, self._step
        if self._step % self._config.steps_per_epoch:
            self._heed()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the epoch, checkpoint, and stop early where the validation loss has not fallen for long."""
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        metrics["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        if not math.isfinite(metrics["loss"]):
            raise DivergedError(f"the loss is {metrics['loss']} in epoch {epoch + 1}; a lower learning rate may help")
        record = EpochRecord(epoch + 1, round(time.time() * 1000), metrics)
        self.progress = Progress(self._step, (*self.progress.history, record))
        self._save()
        self._listener.epoch_ended(record)
        self.model.stop_training = self._is_stale()
        self._control.check()

    def _heed(self) -> None:
        """Stop in the middle of an epoch where that is ordered; at its end `on_epoch_end` does, when it is recorded."""
        try:
            self._control.check()
        except (ReleasedError, TimeLimitError):
            self._save()
            raise

    def _save(self) -> None:
        self.progress = self.progress._replace(step=self._step)
        self._checkpoints.save(self.model, self.progress)

    def _is_stale(self) -> bool:
        patience = self._config.early_stopping_patience
        losses = [record.metrics["val_loss"] for record in self.progress.history]
        return bool(patience and losses and len(losses) - 1 - losses.index(min(losses)) >= patience)
