"""Judging a network: the threshold, the names of the scores, and their controls."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from model.build import build_compiled
from model.config import METRICS, TrainConfig, resolve
from model.dataset import Datasets, build_datasets
from model.decoding.thresholds import THRESHOLDS
from model.emitters import Emitters, LabelledMovie
from model.evaluation import evaluate

CONFIG = resolve({"training.epochs": 1, "model.depth": 1, "data.clip": "scale-only", "data.pixel_nm": 100.0})


class Bright:
    """Stands for a network that is certain of an emitter in every bright pixel."""

    output_shape = (None, None, None, None, 4)

    def get_layer(self, name: str) -> Bright:
        return self

    def get_weights(self) -> list[np.ndarray]:
        return [np.eye(4), np.zeros(4)]

    def set_weights(self, weights: list[np.ndarray]) -> None:
        pass

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        bright = (x > 0).astype("float32")
        return np.concatenate([1 - bright, bright, 0 * x, 0 * x], axis=-1)


def spots(frames: int, seed: int = 0, weak: bool = False) -> LabelledMovie:
    """Dark frames with four bright pixels each, every one an emitter; if `weak`, the first of each frame is weak."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(100, 110, (frames, 16, 16)).astype("uint16")
    frame = np.repeat(np.arange(frames), 4)
    x, y = rng.integers(0, 5, (2, 4 * frames)) * 3 + np.tile([[0], [1]], (1, 4 * frames))
    place = np.unique(np.column_stack([frame, x, y]), axis=0)
    counts[place[:, 0], place[:, 2], place[:, 1]] = 1000
    first = np.unique(place[:, 0], return_index=True)[1]
    snr = np.where(np.isin(np.arange(len(place)), first) & weak, 1.0, 9.0)
    return LabelledMovie(counts, Emitters.of(place[:, 0], place[:, 1] + 0.5, place[:, 2] + 0.5, snr=snr), 100.0)


def datasets(validation: LabelledMovie, test: LabelledMovie | None = None) -> Datasets:
    return Datasets(lambda step: None, None, np.full(4, 0.25), validation, test)


def judged(validation: LabelledMovie, test: LabelledMovie | None = None, config: TrainConfig = CONFIG) -> Any:
    return evaluate(Bright(), config, datasets(validation, test))  # type: ignore[arg-type]


def test_a_network_that_finds_everything_scores_one_and_its_control_does_not() -> None:
    evaluation = judged(spots(8, 0), spots(8, 1))
    for name in ("val_f1", "test_f1", "test_precision", "test_recall", "test_jaccard", "test_f1_lenient"):
        assert evaluation.scores[name] == 1.0, name
    assert evaluation.scores["test_rmse_nm"] == pytest.approx(0, abs=1e-3)
    assert evaluation.scores["val_f1_shuffled"] < 0.7
    assert evaluation.scores["test_f1_shuffled"] < 0.7
    assert evaluation.test is not None
    assert evaluation.test.predicted.rows == evaluation.test.movie.emitters.rows


def test_without_a_test_movie_only_validation_is_scored() -> None:
    evaluation = judged(spots(4))
    assert evaluation.test is None
    assert all(name.startswith("val_") for name in evaluation.scores)
    assert evaluation.summary(CONFIG)["test_density_per_um2"] is None


def test_a_single_frame_has_no_control() -> None:
    assert "val_f1_shuffled" not in judged(spots(1)).scores


def test_weak_emitters_count_in_the_uncurated_score_only() -> None:
    movie = spots(6, weak=True)
    dimmed = movie.frames.copy()
    weak = movie.emitters.select(movie.emitters.snr < 2)
    dimmed[weak.frame, weak.y_px.astype(int), weak.x_px.astype(int)] = 100
    scores = judged(movie._replace(frames=dimmed)).scores
    assert scores["val_f1"] == 1.0
    assert scores["val_excluded_share"] == pytest.approx(weak.rows / movie.emitters.rows)
    recall = 1 - scores["val_excluded_share"]
    assert scores["val_f1_uncurated"] == pytest.approx(2 * recall / (1 + recall))


def test_a_simulated_run_delivers_every_metric_ready_for_json() -> None:
    config = resolve(
        {
            "model.base_filters": 2,
            "model.depth": 1,
            "model.convolutions_per_block": 1,
            "data.patch_px": 8,
            "training.batch_size": 2,
            "training.epochs": 1,
            "evaluation.frames": 5,
            "evaluation.size_px": 16,
        }
    )
    data = build_datasets(config)
    network = build_compiled(config, data.class_shares, 2)
    history = network.fit(
        data.train(0), steps_per_epoch=2, validation_data=data.validation, shuffle=False, verbose=0
    ).history
    evaluation = evaluate(network, config, data)
    delivered = {name: values[-1] for name, values in history.items()} | evaluation.scores
    assert METRICS.keys() <= delivered.keys()
    assert {"test_f1_lenient", "test_f1_shuffled", "test_f1_uncurated", "val_f1_shuffled"} <= delivered.keys()
    assert all(np.isfinite(delivered[name]) for name in METRICS)
    summary = json.loads(json.dumps(evaluation.summary(config), allow_nan=False))
    assert summary["scores"] == evaluation.scores
    assert summary["threshold"] in THRESHOLDS
