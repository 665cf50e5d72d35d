"""A movie of any length and size through the network: the probability map of every frame.

The network reads T consecutive frames. Where T is 3 or more, only frames with a neighbour on both sides are kept from a
window, so windows advance by T − 2; the ends of the movie are reflected. Counts are scaled with the intensities of the
whole stack.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from model.config import TrainConfig
from model.curation import reflected
from model.normalisation import Intensities, normalise
from model.symmetries import mean_answer

TRAINING_BATCHES_AT_ONCE = 2
"""Pixels that the network sees in one call, in training batches: it keeps less for each than training does."""


def predict(
    model: keras.Model, frames: NDArray[Any], intensities: Intensities, config: TrainConfig
) -> NDArray[np.float32]:
    """Probability of 0, 1, 2 and 3+ emitters, (T, Y, X, 4) float32, in each pixel of a movie (T, Y, X).

    Raises:
        ValueError: `frames` is not a movie with at least one frame.
    """
    if frames.ndim != 3 or 0 in frames.shape:
        raise ValueError(f"expected a movie (T, Y, X) with at least one pixel, found shape {frames.shape}")
    probability = np.empty((*frames.shape, model.output_shape[-1]), np.float32)  # (T, Y, X, 4)
    for windows in _batches(len(frames), config.model.frames, _windows_at_once(frames[0].size, config)):
        seen = normalise(frames[reflected(windows, len(frames))], intensities, config.data.clip)  # (B, W, Y, X)
        answer = mean_answer(model.predict_on_batch, seen[..., None], config.evaluation.symmetries)  # (B, W, Y, X, 4)
        _keep(windows, answer, probability)
    return probability


def _windows_at_once(frame_px: int, config: TrainConfig) -> int:
    pixels = TRAINING_BATCHES_AT_ONCE * config.training.batch_size * config.data.patch_px**2
    return max(pixels // frame_px, 1)


def _batches(length: int, width: int, windows_at_once: int) -> Iterator[NDArray[np.int64]]:
    """Frames that each window reads, (B, W), some beyond the ends of the movie; every batch has the same shape."""
    margin = _margin(width)
    stride = width - 2 * margin
    windows = math.ceil(length / stride)
    at_once = math.ceil(windows / math.ceil(windows / windows_at_once))
    for first in range(0, windows, at_once):
        yield (first + np.arange(at_once))[:, None] * stride - margin + np.arange(width)


def _keep(windows: NDArray[np.int64], answer: NDArray[np.float32], probability: NDArray[np.float32]) -> None:
    margin = _margin(windows.shape[1])
    inner = slice(margin, windows.shape[1] - margin)
    kept, answered = windows[:, inner].ravel(), answer[:, inner].reshape(-1, *answer.shape[2:])
    within = kept < len(probability)
    probability[kept[within]] = answered[within]


def _margin(width: int) -> int:
    return 1 if width > 1 else 0
