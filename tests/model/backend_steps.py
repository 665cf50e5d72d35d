"""What a backend computes, as JSON: run in a process of its own, since a process has one backend for good.

KERAS_BACKEND=jax python -m tests.model.backend_steps
"""

from __future__ import annotations

import json
import sys
import tempfile
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
    """Whether a training that was stopped in both of its epochs ends with the weights of one that was not.

    Up to the order in which threads sum up; what is not restored differs by more than 1e-3.
    """
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as parts:
        expected = _trained(Path(whole), stop_after=None)
        assert _trained(Path(parts), stop_after=2) is None
        assert _trained(Path(parts), stop_after=2) is None
        found = _trained(Path(parts), stop_after=None)
    assert found is not None
    assert expected is not None
    return all(np.allclose(ours, theirs, atol=1e-5) for ours, theirs in zip(found, expected, strict=True))


def _trained(folder: Path, stop_after: int | None) -> list[Any] | None:
    steps = count(1)

    def check() -> None:
        if next(steps) == stop_after:
            raise StoppedError

    listener = Listener(lambda _: None, lambda *_: None, lambda _: None)
    try:
        return list(train(resolve(TRAINING), Checkpoints(folder, "run", "t"), check, listener).network.get_weights())
    except StoppedError:
        return None


if __name__ == "__main__":
    main()
