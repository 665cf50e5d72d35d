"""Recall by crowding, and the distance of two point sets, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from model.emitters import Emitters, LabelledMovie
from model.scoring.crowding import class_recall, rmsmd
from model.scoring.verdicts import judge


def movie(emitters: Emitters, frames: int = 2, edge_px: int = 100) -> LabelledMovie:
    return LabelledMovie(np.zeros((frames, edge_px, edge_px), np.uint16), emitters, 100.0)


def test_recall_is_told_by_how_many_share_a_pixel() -> None:
    emitters = Emitters.of([0] * 4, [1.5, 5.2, 5.8, 9.5], [1.5, 5.5, 5.5, 9.5])
    found = Emitters.of([0] * 2, [1.5, 5.5], [1.5, 5.5])
    verdict = judge(emitters, found, 1.0)
    assert class_recall(movie(emitters), verdict)[:2].tolist() == [0.5, 0.5]
    assert math.isnan(class_recall(movie(emitters), verdict)[2])


def test_rmsmd_by_hand() -> None:
    truth, found = Emitters.of([0, 1], [0.0, 10.0], 0.0), Emitters.of([5, 6], [0.0, 13.0], 0.0)
    assert rmsmd(truth, found, 100.0) == pytest.approx(100 * math.sqrt((0 + 9 + 0 + 9) / 4))
    assert rmsmd(truth, truth, 100.0) == 0
    assert math.isnan(rmsmd(truth, Emitters.none(), 100.0))


def test_one_false_point_far_away_outweighs_many_good_ones() -> None:
    rng = np.random.default_rng(3)
    truth = Emitters.of(np.zeros(100, int), *rng.uniform(0, 20, (2, 100)))
    far = Emitters.of(np.zeros(101, int), np.append(truth.x_px, 300.0), np.append(truth.y_px, 0.0))
    assert rmsmd(truth, far, 100.0) > 1500
