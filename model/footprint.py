"""How much memory a run will need, by arithmetic alone: the porch of the scheduler, free of NumPy and TensorFlow.

Training holds, at its peak, the imported stack, the weights with their gradient and the optimiser's slots, every
activation that the way back will ask for, and the scenes that are being simulated. Prediction after it keeps far less
of each pixel, but a large movie has large frames; the larger of the two decides. Counts follow from the network's plan;
the few constants were fitted to measured peaks of forked children on a CPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from model.config import CLASSES, ModelConfig, TrainConfig

MIB = 2**20
FLOAT_BYTES = 4

STACK_MIB = 445
"""A forked child that has imported the stack and traced its graphs, before the first activation."""

ACTIVATION_COPIES = 2.3
"""What training keeps for the way back, and more than as much again in gradients and copies in another layout."""

PREDICTION_BATCHES = 2
"""Pixels that `model.prediction` takes at once, in training batches; at least one window."""

PREDICTION_TENSORS = 5
"""Tensors as wide as the first level that live at once in prediction: skip, concatenation, convolution, Swish."""

SIMULATED_PIXEL_BYTES = 40
"""Of a block of scenes that is being simulated: photons, noise, counts, targets, weights and their copies."""

JUDGED_PIXEL_BYTES = 50
"""Of a movie that is being judged: counts, probabilities and expected counts."""

BLOCK_PIXELS, SCENES, SCENE_FRAMES, SCENE_PX = 4_000_000, 16, 100, 32
"""How `model.patches` simulates: at most so many pixels and scenes in a block, each so long and at least so wide."""


class Layer(NamedTuple):
    """One convolution of the network."""

    level: int
    """Times that its image has been halved."""
    weights: int
    kept: int
    """Channels that training keeps for the way back, for each pixel of that level."""


def footprint_mib(config: TrainConfig) -> int:
    """Predicted peak resident memory of a training process on a CPU, MiB; was within 15 % of 13 measured ones.

    An experimental movie is not counted, since its size does not stand in the config.
    """
    floats = max(_training_floats(config), _predicting_floats(config)) + _weight_floats(config)
    return STACK_MIB + math.ceil((FLOAT_BYTES * floats + _data_bytes(config)) / MIB)


def layers_of(model: ModelConfig) -> Iterator[Layer]:
    """The convolutions of `model.unet`, with their weights and what they keep."""
    filters = [model.base_filters << level for level in range(model.depth + 1)]
    yield _convolution(model, 0, 1, filters[0])
    for level in range(model.depth):
        yield from _residual(model, level, filters[level], filters[level])
        yield Layer(level + 1, (4 * filters[level] + 1) * filters[level + 1], 4 * filters[level] + filters[level + 1])
    yield from _residual(model, model.depth, filters[-1], filters[-1])
    for level in reversed(range(model.depth)):
        yield Layer(level, (filters[level + 1] + 1) * 4 * filters[level], 4 * filters[level])
        yield from _residual(model, level, 2 * filters[level], filters[level])
    yield Layer(0, (filters[0] + 1) * CLASSES, 2 * CLASSES)


def _weight_floats(config: TrainConfig) -> float:
    """Weights, their gradient and the optimiser's slots: two of Adam, one of SGD with momentum."""
    slots = int(config.optimizer.momentum > 0) if config.optimizer.name == "sgd" else 2
    return (2 + slots) * sum(layer.weights for layer in layers_of(config.model))


def _training_floats(config: TrainConfig) -> float:
    edge = _padded_px(config.data.patch_px, config.model.depth)
    pixels = config.training.batch_size * config.model.frames * edge**2
    return ACTIVATION_COPIES * pixels * sum(layer.kept / (1 << 2 * layer.level) for layer in layers_of(config.model))


def _predicting_floats(config: TrainConfig) -> float:
    edge = _padded_px(config.evaluation.size_px, config.model.depth)
    pixels = config.model.frames * max(
        edge**2, PREDICTION_BATCHES * config.training.batch_size * config.data.patch_px**2
    )
    return pixels * (PREDICTION_TENSORS * config.model.base_filters + 3 * CLASSES)


def _data_bytes(config: TrainConfig) -> int:
    scene = SCENE_FRAMES * max(SCENE_PX, config.data.patch_px) ** 2
    judged = config.evaluation.frames * config.evaluation.size_px**2
    block = scene * min(max(BLOCK_PIXELS // scene, 1), SCENES)
    return SIMULATED_PIXEL_BYTES * max(block, judged) + JUDGED_PIXEL_BYTES * judged


def _padded_px(edge_px: int, depth: int) -> int:
    return math.ceil(edge_px / (1 << depth)) << depth


def _convolution(model: ModelConfig, level: int, filters_in: int, filters: int) -> Layer:
    voxels = model.kernel**2 * (model.kernel if model.frames > 1 else 1)
    normalised = model.normalisation != "none"
    of_normalisation = {"none": 0, "batch": 4, "group": 2, "layer": 2}[model.normalisation]
    weights = (voxels * filters_in + 1 + of_normalisation) * filters
    return Layer(level, weights, (4 if normalised else 2) * filters)


def _residual(model: ModelConfig, level: int, filters_in: int, filters: int) -> Iterator[Layer]:
    if filters_in != filters:
        yield Layer(level, (filters_in + 1) * filters, filters)
    for index in range(model.convolutions_per_block):
        yield _convolution(model, level, filters if index else filters_in, filters)
    yield Layer(level, 0, filters)
