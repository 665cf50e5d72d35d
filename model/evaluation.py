"""A trained network, judged: the threshold is chosen on the validation movie, then both movies are scored.

The decoder's threshold τ is the one with the highest F1 on the validation movie; the held-out test movie is then scored
with it, once. Beside each score stand its control with shuffled frames, the score that counts every truth however weak,
and the lenient one.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import numpy as np
from numpy.typing import NDArray

from model.config import TrainConfig
from model.dataset import Datasets
from model.decoder import decode
from model.emitters import LabelledMovie
from model.metrics import Criterion, Judged, Rule, Scores, score, shuffled
from model.normalisation import measure
from model.prediction import predict

THRESHOLDS = tuple(step / 10 for step in range(1, 10))
"""Values of τ that are tried."""

CONTROL_SEED = 0
"""Seed of the number by which the control moves the frames; the same in every run, so that runs can be compared."""


class Evaluation(NamedTuple):
    """What a run reports at its end."""

    scores: dict[str, float]
    """`val_*` and, where there is a test movie, `test_*`; the names of `model.config.METRICS` but for `val_loss`."""
    threshold: float
    """τ of the decoder."""
    validation: Judged
    test: Judged | None

    def summary(self, config: TrainConfig) -> dict[str, Any]:
        """The scores and what is needed to read them, ready for JSON."""
        return {
            "scores": self.scores,
            "threshold": self.threshold,
            "matching": "knn_matched",
            "radius_nm": config.evaluation.radius_nm,
            "snr_threshold": config.data.snr_threshold,
            "test_density_per_um2": config.evaluation.density_per_um2 if self.test else None,
        }


def evaluate(model: keras.Model, config: TrainConfig, datasets: Datasets) -> Evaluation:
    """Choose the threshold on the validation movie and score both movies."""
    movie = datasets.validation_movie
    probability = predict_movie(model, movie, config)
    threshold = choose_threshold(probability, movie, config)
    validation = Judged(movie, decode(probability, threshold))
    test = None
    if datasets.test_movie is not None:
        test = Judged(datasets.test_movie, decode(predict_movie(model, datasets.test_movie, config), threshold))
    scores = movie_scores(validation, config, "val") | (movie_scores(test, config, "test") if test else {})
    return Evaluation(scores, threshold, validation, test)


def predict_movie(model: keras.Model, movie: LabelledMovie, config: TrainConfig) -> NDArray[np.float32]:
    """Probability map (T, Y, X, 4) of a movie, scaled by its own intensities."""
    intensities = measure(movie.frames, config.data.low_percentile, config.data.high_percentile)
    return predict(model, movie.frames, intensities, config)


def choose_threshold(probability: NDArray[np.float32], movie: LabelledMovie, config: TrainConfig) -> float:
    """The τ with the highest F1; among equals the one nearest to 0.5, which is the least committed."""

    def worth(threshold: float) -> tuple[float, float]:
        judged = Judged(movie, decode(probability, threshold))
        return _score(judged, config, config.data.snr_threshold).f1, -abs(threshold - 0.5)

    return max(THRESHOLDS, key=worth)


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


def _score(judged: Judged, config: TrainConfig, snr_threshold: float, rule: Rule = "knn_matched") -> Scores:
    pixel_nm = judged.movie.pixel_nm
    radius_px = config.evaluation.radius_nm / pixel_nm
    truth, predicted = judged.movie.emitters, judged.predicted
    return score(truth, predicted, radius_px, pixel_nm, Criterion(rule, snr_threshold))
