"""The threshold is chosen by all movies together."""

from __future__ import annotations

import numpy as np
import pytest

from model.decoding.thresholds import THRESHOLDS, Mapped, choose_threshold
from model.emitters import Emitters, LabelledMovie
from model.scoring.verdicts import Criterion

ALL = Criterion()


def mapped(true_mass: float, false_mass: float, seed: int = 0) -> Mapped:
    """Emitters four pixels apart that hold `true_mass` each; between them pixels that hold `false_mass`."""
    edge, frames = 40, 3
    expected = np.zeros((frames, edge, edge), np.float32)
    expected[:, 2::8, 2::8] = true_mass
    expected[:, 6::8, 6::8] = false_mass
    frame, y, x = np.nonzero(expected == np.float32(true_mass))
    truth = Emitters.of(frame, x + 0.5, y + 0.5)
    return Mapped(LabelledMovie(np.zeros(expected.shape, np.uint16), truth, 100.0), expected)


def test_the_threshold_parts_the_true_masses_from_the_false_ones() -> None:
    assert 0.41 < choose_threshold([mapped(0.83, 0.41)], [100.0], ALL) <= 0.83


def test_where_any_threshold_does_the_least_committed_one_is_taken() -> None:
    assert choose_threshold([mapped(0.97, 0.0)], [100.0], ALL) == 0.5


def test_movies_that_disagree_are_weighed_against_each_other() -> None:
    sparse, crowded = mapped(0.93, 0.71), mapped(0.63, 0.0)
    assert choose_threshold([sparse], [100.0], ALL) > 0.71
    assert choose_threshold([sparse, crowded], [100.0, 250.0], ALL) < 0.63
    assert choose_threshold([sparse, crowded], [100.0], ALL) in THRESHOLDS


def test_weak_emitters_have_no_say() -> None:
    strong, weak = mapped(0.83, 0.0), mapped(0.31, 0.0)
    doubtful = weak.movie._replace(emitters=weak.movie.emitters._replace(snr=np.ones(weak.movie.emitters.rows)))
    chosen = choose_threshold([strong, Mapped(doubtful, weak.expected)], [100.0], Criterion(snr_threshold=2.0))
    assert chosen == 0.5


def test_without_a_movie_there_is_nothing_to_choose_by() -> None:
    with pytest.raises(ValueError, match="at least one movie"):
        choose_threshold([], [100.0], ALL)
