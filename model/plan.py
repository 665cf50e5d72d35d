"""The convolutions of `model.unet` as numbers: what memory and time are counted from, free of NumPy and TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from model.config import CLASSES, ModelConfig


class Layer(NamedTuple):
    """One convolution of the network."""

    level: int
    """Times that the image it gives has been halved."""
    weights: int
    kept: int
    """Channels that training keeps for the way back, for each pixel of that level."""
    level_in: int
    """Times that the image has been halved whose every pixel meets every weight."""


def layers_of(model: ModelConfig) -> Iterator[Layer]:
    """The convolutions of `model.unet`, with their weights and what they keep."""
    filters = [model.base_filters << level for level in range(model.depth + 1)]
    yield _convolution(model, 0, 1, filters[0])
    for level in range(model.depth):
        yield from _residual(model, level, filters[level], filters[level])
        halve = (4 * filters[level] + 1) * filters[level + 1]
        yield Layer(level + 1, halve, 4 * filters[level] + filters[level + 1], level + 1)
    yield from _residual(model, model.depth, filters[-1], filters[-1])
    for level in reversed(range(model.depth)):
        yield Layer(level, (filters[level + 1] + 1) * 4 * filters[level], 4 * filters[level], level + 1)
        yield from _residual(model, level, 2 * filters[level], filters[level])
    yield Layer(0, (filters[0] + 1) * CLASSES, 2 * CLASSES, 0)


def _convolution(model: ModelConfig, level: int, filters_in: int, filters: int) -> Layer:
    voxels = model.kernel**2 * (model.kernel if model.frames > 1 else 1)
    normalised = model.normalisation != "none"
    of_normalisation = {"none": 0, "batch": 4, "group": 2, "layer": 2}[model.normalisation]
    weights = (voxels * filters_in + 1 + of_normalisation) * filters
    return Layer(level, weights, (4 if normalised else 2) * filters, level)


def _residual(model: ModelConfig, level: int, filters_in: int, filters: int) -> Iterator[Layer]:
    if filters_in != filters:
        yield Layer(level, (filters_in + 1) * filters, filters, level)
    for index in range(model.convolutions_per_block):
        yield _convolution(model, level, filters if index else filters_in, filters)
    yield Layer(level, 0, filters, level)
