"""A network that begins with the weights of another one: fine-tuning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from model.card import read_network
from model.errors import InputError


def adopt(network: keras.Model, parent: Path) -> None:
    """Give `network` the weights of the network in a `.keras` file, which must have the same shape.

    Raises:
        InputError: the file cannot be read, or holds a network of another shape.
    """
    try:
        weights = read_network(parent).get_weights()
    except InputError as error:
        raise InputError(f"training.init_from: {error}") from error
    found, expected = ([weight.shape for weight in each] for each in (weights, network.get_weights()))
    if found != expected:
        raise InputError(
            f"training.init_from: the network in {parent} has {_numbers(weights)}, this one "
            f"{_numbers(network.get_weights())}; give model.* the values with which the parent was trained"
        )
    network.set_weights(weights)


def _numbers(weights: list[NDArray[Any]]) -> str:
    return f"{sum(weight.size for weight in weights):,} weights in {len(weights)} arrays"
