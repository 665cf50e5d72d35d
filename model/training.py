"""A run's training: build or restore, fit, checkpoint each epoch, evaluate.

Who may stop it and who hears of it are passed in. Batch i depends on the configuration, the seed and i alone, so a run
that resumes at step k sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import keras

from model.averaging import JudgedByMean
from model.build import build_compiled, compiled, first_tversky_epoch, handed_out
from model.checkpoint import Checkpoints, EpochRecord, Progress
from model.config import TrainConfig
from model.dataset import Datasets, build_datasets
from model.errors import DivergedError, StoppedError
from model.evaluation import Evaluation, evaluate
from model.parent import adopt

_TELL_EVERY_S = 2.0


class Trained(NamedTuple):
    """A finished training."""

    network: keras.Model
    """As it is handed out."""
    progress: Progress
    evaluation: Evaluation


class Listener(NamedTuple):
    """Who hears of the training as it goes on."""

    began: Callable[[Progress], None]
    """With what a checkpoint carried."""
    advanced: Callable[[int, float], None]
    """Epochs done and optimiser steps per second, every few seconds."""
    epoch_ended: Callable[[EpochRecord], None]


def train(
    config: TrainConfig,
    checkpoints: Checkpoints,
    check: Callable[[], None],
    listener: Listener,
    find_parent: Callable[[str], Path] = Path,
) -> Trained:
    """Train a run to its end, from its newest checkpoint where there is one.

    `check` is called after each step, and stops the training by raising; `find_parent` brings the file that
    `training.init_from` names.

    Raises:
        StoppedError: raised by `check`; the step reached is kept in a checkpoint.
        DivergedError: the loss is not finite.
        InputError: the data or the parent network cannot be used.
    """
    keras.utils.set_random_seed(config.training.seed)
    datasets = build_datasets(config)
    network, progress = checkpoints.load() or (_first_network(config, datasets, find_parent), Progress())
    listener.began(progress)
    loop = _Loop(config, checkpoints, check, listener, progress)
    while not loop.is_over:
        loop.fit(network, datasets)
    final = handed_out(network, config, datasets.class_shares.tolist())
    return Trained(final, loop.progress, evaluate(final, config, datasets))


def _first_network(config: TrainConfig, datasets: Datasets, find_parent: Callable[[str], Path]) -> keras.Model:
    total_steps = config.training.epochs * config.training.steps_per_epoch
    network = build_compiled(config, datasets.class_shares.tolist(), total_steps)
    if config.training.init_from:
        adopt(network, find_parent(config.training.init_from))
    return network


class _Loop(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """What happens between the steps; `fit` trains a span of epochs under one loss, or the rest of one epoch."""

    def __init__(
        self,
        config: TrainConfig,
        checkpoints: Checkpoints,
        check: Callable[[], None],
        listener: Listener,
        progress: Progress,
    ) -> None:
        super().__init__()
        self.progress = progress
        self._config = config
        self._checkpoints, self._check, self._listener = checkpoints, check, listener
        self._step = progress.step
        self._told_at, self._told_step = time.monotonic(), progress.step

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or early stopping says so."""
        return self._epochs_done >= self._config.training.epochs or self._is_stale()

    @property
    def _epochs_done(self) -> int:
        return self._step // self._config.training.steps_per_epoch

    def fit(self, network: keras.Model, datasets: Datasets) -> None:
        """Train the rest of an epoch that was begun, else all epochs that are left under the same loss."""
        done, steps_per_epoch = self._epochs_done, self._config.training.steps_per_epoch
        begun = self._step % steps_per_epoch
        compiled(network, self._config, datasets.class_shares.tolist(), network.optimizer, done).fit(
            datasets.train(self._step),
            initial_epoch=done,
            epochs=done + 1 if begun else self._last_alike,
            steps_per_epoch=steps_per_epoch - begun,
            validation_data=datasets.validation,
            callbacks=[*([JudgedByMean()] if self._config.optimizer.ema else []), self],
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
        if self._step % self._config.training.steps_per_epoch:
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
        self._check()

    @property
    def _last_alike(self) -> int:
        first = first_tversky_epoch(self._config)
        return first if self._epochs_done < first else self._config.training.epochs

    def _heed(self) -> None:
        """Stop in the middle of an epoch where that is ordered; at its end `on_epoch_end` does, when it is recorded."""
        try:
            self._check()
        except StoppedError:
            self._save()
            raise

    def _save(self) -> None:
        if keras.backend.backend() == "jax":
            self.model.jax_state_sync()  # in the middle of an epoch its variables lag behind
        self.progress = self.progress._replace(step=self._step)
        self._checkpoints.save(self.model, self.progress)

    def _is_stale(self) -> bool:
        """Whether the validation loss has not fallen for long, since λ holds where that begins late."""
        patience, first = self._config.training.early_stopping_patience, first_tversky_epoch(self._config)
        since = first if self._epochs_done > first else 0
        losses = [record.metrics["val_loss"] for record in self.progress.history[since:]]
        return bool(patience and losses and len(losses) - 1 - losses.index(min(losses)) >= patience)
