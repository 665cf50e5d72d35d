"""The card of a trained network: what is measured on movies like those it learned from."""

from __future__ import annotations

import numpy as np
import pytest

from model.config import resolve
from model.decoding.thresholds import Mapped
from model.emitters import Emitters, LabelledMovie
from model.validation import SCENE_FRAMES, make_card, position_error_px

SIMULATED = resolve({"model.depth": 1, "model.base_filters": 2, "evaluation.symmetries": 4})


class Bright:
    """Stands for a network that expects an emitter in every bright pixel."""

    output_shape = (None, None, None, None, 4)

    def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
        bright = (x > 0.9).astype("float32")
        return np.concatenate([1 - bright, bright, 0 * x, 0 * x], axis=-1)


def test_a_card_holds_what_the_config_says_and_what_scenes_measure() -> None:
    card = make_card(Bright(), SIMULATED, None, 20)  # type: ignore[arg-type]
    assert card.reading.symmetries == 4
    assert (card.low_percentile, card.high_percentile, card.pixel_nm) == (20.0, 99.0, 100.0)
    assert 0 < card.error_px < 2.5
    assert card.domain is not None
    assert len(card.domain.movies) == 20


def test_with_few_scenes_the_domain_stays_unknown() -> None:
    assert make_card(Bright(), SIMULATED, None, 3).domain is None  # type: ignore[arg-type]


def test_a_run_on_real_data_is_measured_on_blocks_of_its_validation_movie() -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(100, 110, (20 * SCENE_FRAMES + 3, 16, 16)).astype("uint16")
    rows = np.arange(len(frames))
    frames[rows, 8, 5] = 1000
    movie = LabelledMovie(frames, Emitters.of(rows, 5.6, 8.5), 100.0)
    config = resolve({"data.source": "experimental", "data.movie": "m.tif", "data.table": "t.csv"})
    card = make_card(Bright(), config, movie, 7)  # type: ignore[arg-type]
    assert card.domain is not None
    assert len(card.domain.movies) == 20
    assert card.error_px == pytest.approx(0.1 / np.sqrt(2), abs=1e-6)


def test_the_error_is_that_of_one_axis() -> None:
    rng = np.random.default_rng(1)
    expected = np.zeros((1, 400, 400), np.float32)
    expected[0, 4::8, 4::8] = 1
    _, y, x = np.nonzero(expected)
    off = rng.normal(0, 0.25, (2, len(x)))
    truth = Emitters.of(np.zeros(len(x), int), x + 0.5 + off[0], y + 0.5 + off[1])
    movie = LabelledMovie(np.zeros(expected.shape, np.uint16), truth, 100.0)
    assert position_error_px([Mapped(movie, expected)], 0.5) == pytest.approx(0.25, abs=0.01)
    assert position_error_px([Mapped(movie, 0 * expected)], 0.5) == 0.0
