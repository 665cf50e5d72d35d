"""Small configs and movies that many tests of patches need."""

from __future__ import annotations

import numpy as np

from model.config import TrainConfig
from model.emitters import Emitters, LabelledMovie
from model.patches import Patches

TINY = {
    "model.depth": 1,
    "model.base_filters": 2,
    "model.convolutions_per_block": 1,
    "data.patch_px": 8,
    "training.epochs": 2,
    "training.steps_per_epoch": 2,
    "training.batch_size": 2,
    "evaluation.frames": 5,
    "evaluation.size_px": 16,
}
"""Hyperparameters of a training that takes seconds."""


def config(**groups: dict[str, object]) -> TrainConfig:
    return TrainConfig.model_validate({"model": {"depth": 1}, "data": {"patch_px": 16}} | groups)


def labelled_movie(frames: int = 6, height: int = 20, width: int = 24) -> LabelledMovie:
    """A movie in which each emitter is one bright pixel, so that pixels and labels can be compared."""
    rng = np.random.default_rng(0)
    counts = (rng.random((frames, height, width)) < 0.05).astype(np.uint16)
    frame, line, column = np.nonzero(counts)
    noise = rng.integers(0, 3, counts.shape, np.uint16)
    return LabelledMovie(counts * 500 + noise, Emitters.of(frame, column + 0.5, line + 0.5), 100.0)


def follows(patches: Patches) -> bool:
    """Whether the bright pixels are the labelled ones."""
    return bool(((patches.x > 0.5) == (patches.y > 0)).all())
