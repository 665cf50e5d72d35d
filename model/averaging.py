"""Training with one set of weights and judging with another: the running mean that the optimiser keeps of them.

Keras puts the mean into the network at the end of `fit`. Here `fit` is called several times in one training, so that
is undone each time, and the mean is put in place only while validation lasts and when all is over.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray


class JudgedByMean(keras.callbacks.Callback):  # type: ignore[misc, unused-ignore]
    """Validates with the mean of the weights, and leaves the weights as the optimiser left them, bit by bit."""

    def __init__(self) -> None:
        super().__init__()
        self._own: list[NDArray[np.float32]] = []

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the mean in place."""
        self._remember()
        put_mean_in_place(self.model)

    def on_test_end(self, logs: dict[str, Any] | None = None) -> None:
        """Put the weights back."""
        self._restore()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Remember the weights, since this epoch may be the last of `fit`."""
        self._remember()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Put the weights back."""
        self._restore()

    def _remember(self) -> None:
        self._own = _copies(self.model)

    def _restore(self) -> None:
        _assign(self.model, self._own)


def put_mean_in_place(network: keras.Model) -> None:
    """Overwrite the weights of a compiled network with their running mean; nothing where its optimiser keeps none.

    Assigned once more as copies: on JAX weight and mean would be one array, which the next step consumes.
    """
    network.optimizer.finalize_variable_values(network.trainable_variables)
    _assign(network, _copies(network))


def _copies(network: keras.Model) -> list[NDArray[np.float32]]:
    return [np.array(keras.ops.convert_to_numpy(weight)) for weight in network.trainable_variables]


def _assign(network: keras.Model, values: list[NDArray[np.float32]]) -> None:
    for weight, value in zip(network.trainable_variables, values, strict=True):
        weight.assign(value)
