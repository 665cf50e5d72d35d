"""What a backend computes, as JSON: run in a process of its own, since a process has one backend for good.

KERAS_BACKEND=jax python -m tests.model.backend_steps
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import keras
import numpy as np

from model.build import build_compiled
from model.checkpoint import Checkpoints
from model.config import resolve
from model.errors import StoppedError
from model.training import Listener, train

STEP = {
    "model.depth": 2,
    "model.base_filters": 4,
    "model.convolutions_per_block": 1,
    "data.patch_px": 8,
    "loss.preset": "reference",
    "loss.pooling_px": 3,
    "optimizer.name": "sgd",
    "optimizer.learning_rate": 0.5,
    "schedule.start_factor": 1.0,
}
TRAINING = {
    "model.depth": 1,
    "model.base_filters": 2,
    "model.convolutions_per_block": 1,
    "data.patch_px": 8,
    "optimizer.learning_rate": 0.05,
    "optimizer.ema": 0.7,
    "loss.tversky_from": 0.5,
    "training.epochs": 2,
    "training.steps_per_epoch": 3,
    "training.batch_size": 2,
    "evaluation.frames": 5,
    "evaluation.size_px": 16,
}


def main() -> None:
    values = {"backend": keras.backend.backend(), "step": one_step(), "resumed": resumed_alike()}
    json.dump(values, sys.stdout)


def one_step() -> dict[str, Any]:
    """Answer, loss and weights after one step, from weights and a batch that no backend has drawn."""
    rng = np.random.default_rng(0)
    network = build_compiled(resolve(STEP), (0.9, 0.08, 0.015, 0.005), 10)
    network.set_weights([rng.normal(0, 0.2, weight.shape) for weight in network.get_weights()])
    x = rng.uniform(-1, 1, (2, 3, 7, 9, 1)).astype("float32")
    y, w = rng.integers(0, 4, x.shape[:-1]).astype("int32"), rng.random(x.shape[:-1]).astype("float32")
    before = network.get_weights()
    answer = keras.ops.convert_to_numpy(network(x))
    loss = float(network.train_on_batch(x, y, sample_weight=w, return_dict=True)["loss"])
    moved = [new - old for new, old in zip(network.get_weights(), before, strict=True)]
    return {
        "answer": answer.ravel().tolist(),
        "loss": loss,
        "moved": np.concatenate([m.ravel() for m in moved]).tolist(),
    }


def resumed_alike() -> bool:
    """Whether a training that was stopped in both of its epochs ends in the state of one that was stopped at its end.

    Up to the order in which threads sum up; what is not restored differs by more than 1e-3.
    """
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as parts:
        expected = _state_after(Path(whole), [6])
        found = _state_after(Path(parts), [2, 2, 2])
    return all(np.allclose(ours, theirs, atol=1e-5) for ours, theirs in zip(found, expected, strict=True))


def _state_after(folder: Path, steps: list[int]) -> list[Any]:
    """Weights, their mean, moments and step of a training that goes on for so many steps at a time."""
    checkpoints = Checkpoints(folder, "run", "t")
    for stop_after in steps:
        _train(checkpoints, stop_after)
    loaded = checkpoints.load()
    assert loaded is not None
    network, progress = loaded
    assert progress.step == sum(steps)
    return [keras.ops.convert_to_numpy(each) for each in (*network.variables, *network.optimizer.variables)]


def _train(checkpoints: Checkpoints, stop_after: int) -> None:
    steps = count(1)

    def check() -> None:
        if next(steps) == stop_after:
            raise StoppedError

    with suppress(StoppedError):
        train(resolve(TRAINING), checkpoints, check, Listener(lambda _: None, lambda *_: None, lambda _: None))
        raise AssertionError("the training was to be stopped at its end")


if __name__ == "__main__":
    main()
