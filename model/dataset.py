"""What a run trains on and is judged by, as tf.data pipelines: the one door to TensorFlow on the data side.

A config comes in; out come endless training batches that can be picked up at any step, a fixed validation set, the
shares of the classes, and the movies that select (validation) and judge (test). Where a movie was given, its last
frames validate; the test movie is always simulated, and an experimental run has none. Held-out movies do not depend on
the training seed. NumPy makes the patches in tf.data's background thread, one block ahead; no thread exists before a
dataset is iterated.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from model.config import CLASSES, TrainConfig
from model.emitters import LabelledMovie
from model.experimental import Source, load_experimental
from model.patches import Patches, joined, tiles
from model.scene import camera_of, typical_scene
from model.scene_store import from_environment
from model.simulator import simulate_movie
from model.streams import PatchStream, Purpose, experimental_stream, simulated_stream

PORTION_PATCHES = 512
"""Patches that validate, from which the shares of the classes are measured, and that are held ready, at most each."""
PORTION_PIXELS = 4_000_000
"""Pixels in all of these patches at most; only patches larger than 50 px reach it."""


class Datasets(NamedTuple):
    """Everything that a run reads."""

    train: Callable[[int], Any]
    """From a step on, a tf.data.Dataset without end of (x, y, w): x float32 (B, T, Y, X, 1), y int32 (B, T, Y, X), w
    float32 (B, T, Y, X). Batch i depends on the config and i alone."""
    validation: Any
    """The same, finite and equal in each epoch; the last batch may be smaller."""
    class_shares: NDArray[np.float64]  # (4,)
    """Shares of the classes 0, 1, 2, 3+ among the weighted pixels of training targets; none is 0, their sum is 1."""
    validation_movie: LabelledMovie
    test_movie: LabelledMovie | None


def build_datasets(config: TrainConfig) -> Datasets:
    """The data of a run.

    Raises:
        InputError: a movie or table cannot be used, or a simulated stack is saturated.
    """
    real = None
    if config.data.source != "simulated":
        real = load_experimental(config.data, camera_of(config.simulation))
    patches = training_patches(config, real[0] if real else None)
    validation_movie = real[1] if real else held_out_movie(config, Purpose.VALIDATION)
    return Datasets(
        train=lambda first_step: _training(patches, config, first_step),
        validation=_validation(tiles(validation_movie, config, portion(config)), config.training.batch_size),
        class_shares=class_shares(patches(0, portion(config))),
        validation_movie=validation_movie,
        test_movie=None if config.data.source == "experimental" else held_out_movie(config, Purpose.TEST),
    )


def held_out_movie(config: TrainConfig, purpose: Purpose) -> LabelledMovie:
    """The simulated movie that validates or tests: of the config's typical scene, whatever the training seed."""
    judged = config.evaluation
    scene = typical_scene(config.simulation, config.data.pixel_nm, judged.density_per_um2)
    rng = np.random.default_rng([purpose])
    return simulate_movie(scene, frames=judged.frames, size_px=judged.size_px, rng=rng)


def training_patches(config: TrainConfig, movie: Source | None) -> Callable[[int, int], Patches]:
    """Patches from one number up to another (exclusive) of a run, from the sources that the config names.

    Of the first n patches of a mixed run `floor(mix · n)` are experimental; in each batch they come last.
    """
    if movie is None:
        return _simulated(config).take
    experimental, share = experimental_stream(movie, config), config.data.mix
    if config.data.source == "experimental":
        return experimental.take
    simulated = _simulated(config)

    def take(start: int, stop: int) -> Patches:
        first, last = int(share * start), int(share * stop)
        spans = ((simulated, start - first, stop - last), (experimental, first, last))
        return joined([source.take(low, high) for source, low, high in spans if low < high])

    return take


def _simulated(config: TrainConfig) -> PatchStream:
    return simulated_stream(config, from_environment() if config.data.supply == "cached" else None)


def portion(config: TrainConfig) -> int:
    """Patches that fit into the memory set aside for one purpose, at least 1."""
    pixels = config.model.frames * config.data.patch_px**2
    return max(1, min(PORTION_PATCHES, PORTION_PIXELS // pixels))


def class_shares(patches: Patches) -> NDArray[np.float64]:
    """Share of each class among the weighted pixels, (4,); one pixel is added to each, so that none is 0."""
    pixels = np.bincount(patches.y.ravel(), patches.w.ravel(), CLASSES) + 1.0
    return np.asarray(pixels / pixels.sum())


def _training(patches: Callable[[int, int], Patches], config: TrainConfig, first_step: int) -> Any:
    size, edge, length = config.training.batch_size, config.data.patch_px, config.model.frames

    def batches() -> Iterator[tuple[NDArray[Any], ...]]:
        for step in itertools.count(first_step):
            yield _batch(patches(step * size, (step + 1) * size))

    shape = (size, length, edge, edge)
    signature = (
        tf.TensorSpec((*shape, 1), tf.float32),
        tf.TensorSpec(shape, tf.int32),
        tf.TensorSpec(shape, tf.float32),
    )
    ahead = max(2, portion(config) // size)
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(ahead)


def _validation(patches: Patches, batch_size: int) -> Any:
    return tf.data.Dataset.from_tensor_slices(_batch(patches)).batch(batch_size).prefetch(2)


def _batch(patches: Patches) -> tuple[NDArray[Any], ...]:
    return patches.x[..., None], patches.y.astype(np.int32), patches.w
