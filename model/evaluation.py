"""A trained network, judged: calibrated, its threshold chosen on validation data, and scored on held-out movies.

The decoder's threshold τ is chosen on movies of all densities that the run trains with (`model.validation`); the
held-out test movie is scored with it, once. Beside each score stand its control with shuffled frames, the score that
counts every truth however weak, and the lenient one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np

from model.card import Card
from model.config import TrainConfig
from model.dataset import Datasets
from model.decoding.peeling import decode
from model.emitters import LabelledMovie
from model.scoring.controls import shuffled
from model.scoring.scores import Scores, score
from model.scoring.verdicts import Criterion, Judged, Rule
from model.validation import calibrate, make_card, predicted_map

CONTROL_SEED = 0
"""Seed of the number by which the control moves the frames; the same in every run, so that runs can be compared."""
STEPS_PER_SCENE, MOST_SCENES, LEAST_SCENES = 60, 240, 4
"""A validation scene for so many optimiser steps: judging shall take little of the time that training took."""


class Evaluation(NamedTuple):
    """What a run reports at its end."""

    scores: dict[str, float]
    """`val_*` and, where there is a test movie, `test_*`; the names of `model.config.METRICS` but for `val_loss`."""
    card: Card
    validation: Judged
    test: Judged | None

    def summary(self, config: TrainConfig) -> dict[str, Any]:
        """The scores and what is needed to read them, ready for JSON."""
        return {
            "scores": self.scores,
            "threshold": self.card.threshold,
            "matching": "knn_matched",
            "radius_nm": config.evaluation.radius_nm,
            "snr_threshold": config.data.snr_threshold,
            "test_density_per_um2": config.evaluation.density_per_um2 if self.test else None,
        }


def evaluate(model: keras.Model, config: TrainConfig, datasets: Datasets) -> Evaluation:
    """Calibrate the network, make its card, and score validation and test movie."""
    calibrate(model, config, datasets.validation_movie, _scenes(config))
    card = make_card(model, config, datasets.validation_movie, _scenes(config))

    def judged(movie: LabelledMovie) -> Judged:
        return Judged(movie, decode(predicted_map(model, movie, config), card.threshold))

    validation = judged(datasets.validation_movie)
    test = judged(datasets.test_movie) if datasets.test_movie is not None else None
    scores = movie_scores(validation, config, "val") | (movie_scores(test, config, "test") if test else {})
    return Evaluation(scores, card, validation, test)


def movie_scores(judged: Judged, config: TrainConfig, prefix: str) -> dict[str, float]:
    """All scores of one movie, their names beginning with `prefix`.

    The control with shuffled frames is left out of a movie with a single frame.
    """
    curated = _score(judged, config, config.data.snr_threshold)
    scores = {name: getattr(curated, name) for name in ("f1", "precision", "recall", "jaccard", "rmse_nm")}
    scores["f1_lenient"] = _score(judged, config, config.data.snr_threshold, "knn_lenient").f1
    scores["f1_uncurated"] = _score(judged, config, 0.0).f1
    scores["excluded_share"] = curated.excluded_share
    if len(judged.movie.frames) > 1:
        moved = shuffled(judged.predicted, len(judged.movie.frames), np.random.default_rng(CONTROL_SEED))
        control = judged._replace(predicted=moved)
        scores["f1_shuffled"] = _score(control, config, config.data.snr_threshold).f1
        scores["f1_lenient_shuffled"] = _score(control, config, config.data.snr_threshold, "knn_lenient").f1
    return {f"{prefix}_{name}": float(value) for name, value in scores.items()}


def _scenes(config: TrainConfig) -> int:
    steps = config.training.epochs * config.training.steps_per_epoch
    return min(max(steps // STEPS_PER_SCENE, LEAST_SCENES), MOST_SCENES)


def _score(judged: Judged, config: TrainConfig, snr_threshold: float, rule: Rule = "knn_matched") -> Scores:
    pixel_nm = judged.movie.pixel_nm
    radius_px = config.evaluation.radius_nm / pixel_nm
    truth, predicted = judged.movie.emitters, judged.predicted
    return score(truth, predicted, radius_px, pixel_nm, Criterion(rule, snr_threshold))
