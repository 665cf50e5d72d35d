"""What is learned of a trained network before it is handed out: its card.

Movies are drawn from the same ranges as its training data, but with seeds that training never uses, and densities as
they come; a run on real data validates on blocks of its validation movie. On them the network is calibrated, the
threshold of the decoder chosen, the error of its localisations measured, and the traits of what it is at home with.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from model.calibration import Scaling, fit_scaling
from model.card import Card
from model.config import CLASSES, TrainConfig
from model.decoding.peeling import expected_counts, peel
from model.decoding.thresholds import Mapped, choose_threshold
from model.domain import LEAST_MOVIES, Domain, measured
from model.emitters import LabelledMovie
from model.normalisation import Intensities, measure, normalise
from model.prediction.windows import Reading, predict
from model.scoring.matching import match
from model.scoring.verdicts import Criterion
from model.streams import Purpose, draw_movie
from model.targets import build_targets

Floats = NDArray[np.float64]

SCENE_FRAMES, SCENE_PX = 10, 64
"""Size of a validation scene."""
CALIBRATION_MOVIES, CALIBRATION_STEP = 24, 3
"""So many movies calibrate, by every third pixel."""
THRESHOLD_MOVIES = 40
"""So many choose the threshold."""
RADII_NM = (100.0, 250.0)
"""Radii within which the threshold shall do well, and the first one is that of the error."""


class _Seen(NamedTuple):
    """A validation movie with what the network expects in it, and its traits."""

    mapped: Mapped
    traits: Floats


def calibrate(network: keras.Model, config: TrainConfig, movie: LabelledMovie, scenes: int) -> Scaling:
    """Make a network's probabilities true on validation movies, in its weights; how that changed them.

    Pixels that the loss ignores are ignored here too.
    """
    movies = itertools.islice(_movies(config, movie, scenes), CALIBRATION_MOVIES)
    pixels = [_pixels(network, each, config) for each in movies]
    scaling = fit_scaling(*(np.concatenate(parts) for parts in zip(*pixels, strict=True)))
    scaling.apply_to(network)
    return scaling


def make_card(network: keras.Model, config: TrainConfig, movie: LabelledMovie, scenes: int) -> Card:
    """The card of a network.

    Args:
        network: trained.
        config: what it was trained with.
        movie: the validation movie of the run.
        scenes: simulated movies to draw; with fewer than 20 the domain stays unknown.
    """
    seen = [_see(network, each, config) for each in _movies(config, movie, scenes)]
    mapped = [each.mapped for each in seen]
    criterion = Criterion(snr_threshold=config.data.snr_threshold)
    threshold = choose_threshold(mapped[:THRESHOLD_MOVIES], RADII_NM, criterion)
    known = len(seen) >= LEAST_MOVIES
    return Card(
        reading=Reading.of(config),
        low_percentile=config.data.low_percentile,
        high_percentile=config.data.high_percentile,
        threshold=threshold,
        pixel_nm=config.data.pixel_nm,
        error_px=position_error_px(mapped, threshold),
        domain=Domain(np.stack([each.traits for each in seen])) if known else None,
    )


def position_error_px(mapped: Sequence[Mapped], threshold: float) -> float:
    """Standard deviation, along one axis, of localisations from the emitters that they are matched with; 0 if none is.

    Matched within 250 nm, the radius of the challenge.
    """
    errors = [np.zeros(0)]
    for movie, expected in mapped:
        errors.append(match(movie.emitters, peel(expected, threshold), RADII_NM[-1] / movie.pixel_nm).distance_px)
    distance_px = np.concatenate(errors)
    return float(np.sqrt((distance_px**2).mean() / 2)) if len(distance_px) else 0.0


def predicted_map(network: keras.Model, movie: LabelledMovie, config: TrainConfig) -> NDArray[np.float32]:
    """Probability map (T, Y, X, 4) of a movie, scaled by its own intensities."""
    return predict(network, movie.frames, _intensities(movie, config), Reading.of(config))


def _see(network: keras.Model, movie: LabelledMovie, config: TrainConfig) -> _Seen:
    probability = predicted_map(network, movie, config)
    scaled = normalise(movie.frames, _intensities(movie, config), config.data.clip)
    expected = expected_counts(probability).astype(np.float32)
    return _Seen(Mapped(movie, expected), measured(scaled, probability))


def _pixels(network: keras.Model, movie: LabelledMovie, config: TrainConfig) -> tuple[NDArray[Any], ...]:
    """Probabilities (N, 4), classes (N,) and weights (N,) of some of a movie's pixels, evenly spread."""
    data, (frames, height, width) = config.data, movie.frames.shape
    targets = build_targets(movie.emitters, (frames, height, width), data.low_snr, data.snr_threshold)
    probability = predicted_map(network, movie, config)
    step = slice(None, None, CALIBRATION_STEP)
    return probability.reshape(-1, CLASSES)[step], targets.counts.ravel()[step], targets.weights.ravel()[step]


def _intensities(movie: LabelledMovie, config: TrainConfig) -> Intensities:
    return measure(movie.frames, config.data.low_percentile, config.data.high_percentile)


def _movies(config: TrainConfig, movie: LabelledMovie, scenes: int) -> Iterator[LabelledMovie]:
    if config.data.source != "experimental":
        yield from (_scene(config, number) for number in range(scenes))
    if config.data.source != "simulated":
        yield from _blocks(movie)


def _scene(config: TrainConfig, number: int) -> LabelledMovie:
    return draw_movie(config, SCENE_FRAMES, SCENE_PX, np.random.default_rng([Purpose.VALIDATION, number, 1]))


def _blocks(movie: LabelledMovie) -> Iterator[LabelledMovie]:
    """A movie cut along time; a last part that is shorter is left out unless it is the only one."""
    for start in range(0, max(len(movie.frames) - SCENE_FRAMES, 0) + 1, SCENE_FRAMES):
        rows = (movie.emitters.frame >= start) & (movie.emitters.frame < start + SCENE_FRAMES)
        held = movie.emitters.select(rows).shifted(frames=-start)
        yield LabelledMovie(movie.frames[start : start + SCENE_FRAMES], held, movie.pixel_nm)
