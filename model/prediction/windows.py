"""A movie of any length and size through the network: the probability map of every frame.

The network reads T consecutive frames. Where T is 3 or more, only frames with a neighbour on both sides are kept from a
window, so windows advance by T − 2; the ends of the movie are reflected. Counts are scaled with the intensities of the
whole stack.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from model.config import TrainConfig
from model.curation import reflected
from model.normalisation import Intensities, normalise
from model.symmetries import mean_answer

TRAINING_BATCHES_AT_ONCE = 2
"""Pixels that the network sees in one call, in training batches: it keeps less for each than training does."""


class Reading(NamedTuple):
    """How a network wants its movies."""

    frames: int
    """T, consecutive frames read at once."""
    clip: Literal["hard", "scale-only"]
    symmetries: int = 1
    """Views whose probabilities are averaged, see `model.symmetries`."""
    pixels_at_once: int = 1 << 18
    """Pixels of windows, each counted in one frame, that go into one call; one window at least."""

    @classmethod
    def of(cls, config: TrainConfig) -> Reading:
        """As a config trains it."""
        pixels = TRAINING_BATCHES_AT_ONCE * config.training.batch_size * config.data.patch_px**2
        return cls(config.model.frames, config.data.clip, config.evaluation.symmetries, pixels)

    @property
    def margin(self) -> int:
        """Frames at each end of a window that are not kept."""
        return 1 if self.frames > 1 else 0


def predict(
    model: keras.Model, frames: NDArray[Any], intensities: Intensities, reading: Reading
) -> NDArray[np.float32]:
    """Probability of 0, 1, 2 and 3+ emitters, (T, Y, X, 4) float32, in each pixel of a movie (T, Y, X).

    Raises:
        ValueError: `frames` is not a movie with at least one frame.
    """
    if frames.ndim != 3 or 0 in frames.shape:
        raise ValueError(f"expected a movie (T, Y, X) with at least one pixel, found shape {frames.shape}")
    index = np.arange(-reading.margin, len(frames) + reading.margin)
    return predict_between(model, normalise(frames[reflected(index, len(frames))], intensities, reading.clip), reading)


def predict_between(model: keras.Model, seen: NDArray[np.float32], reading: Reading) -> NDArray[np.float32]:
    """Probability maps (T, Y, X, 4) of the frames of a scaled movie (T + 2 margin, Y, X) but those of its margin."""
    length = len(seen) - 2 * reading.margin
    probability = np.empty((length, *seen.shape[1:], model.output_shape[-1]), np.float32)  # (T, Y, X, 4)
    for windows in _batches(length, reading, seen[0].size):
        images = seen[np.minimum(windows, len(seen) - 1)]  # (B, W, Y, X)
        answer = mean_answer(model.predict_on_batch, images[..., None], reading.symmetries)  # (B, W, Y, X, 4)
        _keep(windows, answer, probability, reading)
    return probability


def _batches(length: int, reading: Reading, frame_px: int) -> Iterator[NDArray[np.int64]]:
    """Frames that each window reads, (B, W), some beyond the end of the movie; every batch has the same shape."""
    stride = reading.frames - 2 * reading.margin
    windows = math.ceil(length / stride)
    windows_at_once = max(reading.pixels_at_once // frame_px, 1)
    at_once = math.ceil(windows / math.ceil(windows / windows_at_once))
    for first in range(0, windows, at_once):
        yield (first + np.arange(at_once))[:, None] * stride + np.arange(reading.frames)


def _keep(
    windows: NDArray[np.int64], answer: NDArray[np.float32], probability: NDArray[np.float32], reading: Reading
) -> None:
    inner = slice(reading.margin, reading.frames - reading.margin)
    kept, answered = windows[:, inner].ravel() - reading.margin, answer[:, inner].reshape(-1, *answer.shape[2:])
    within = kept < len(probability)
    probability[kept[within]] = answered[within]
