"""Everything that is said of an answer, together."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from model.emitters import Emitters, LabelledMovie
from model.scoring.report import Taken, summary, take, take_headline
from model.scoring.verdicts import Judged


def movie(seed: int, rows: int = 200) -> LabelledMovie:
    rng = np.random.default_rng(seed)
    truth = Emitters.of(rng.integers(0, 6, rows), *rng.uniform(0, 40, (2, rows)), snr=rng.uniform(1, 5, rows))
    return LabelledMovie(np.zeros((6, 40, 40), np.uint16), truth, 100.0)


def perfect(seed: int) -> Taken:
    labelled = movie(seed)
    return take(Judged(labelled, labelled.emitters), 2.0)


def test_a_perfect_answer_is_perfect_by_every_rule_and_its_controls_are_not() -> None:
    told = summary([perfect(0), perfect(1)])
    for rule in ("matched", "uncurated", "greedy", "k8", "lenient"):
        assert told[f"{rule}_100"]["f1"] == told[f"{rule}_250"]["f1"] == 1
    assert told["pix8"]["f1"] == 1
    for control in ("lattice", "random", "shuffled"):
        assert told[f"{control}_100"]["f1"] < 0.5
    assert told["rmsmd_nm"] == 0
    assert told["matched_250"]["f1_interval"] == (1, 1)
    assert told["density"] == pytest.approx(200 / 6 / 16)
    assert told["density_reliable"] < told["density"]


def test_movies_are_pooled_by_their_emitters() -> None:
    crowded, sparse = movie(0, 300), movie(1, 30)
    blind = take(Judged(sparse, Emitters.none()), 0.0)
    told = summary([take(Judged(crowded, crowded.emitters), 0.0), blind])
    assert told["matched_250"]["recall"] == pytest.approx(300 / 330)
    assert told["matched_250"]["macro_f1"] == pytest.approx(0.5)


def test_the_headline_alone_is_part_of_the_whole() -> None:
    judged = Judged(movie(3), movie(4).emitters)
    headline = take_headline(judged, 2.0).tallies
    assert headline.items() <= take(judged, 2.0).tallies.items()
    assert set(headline) == {"matched_250", "matched_100", "uncurated_250", "uncurated_100"}


def test_a_map_adds_its_calibration_and_json_holds_it_all() -> None:
    labelled = movie(5)
    probability = np.tile([0.9, 0.1, 0.0, 0.0], (*labelled.frames.shape, 1))
    told = summary([take(Judged(labelled, labelled.emitters), 2.0, probability)])
    assert told["calibration_error"] == pytest.approx(abs(0.1 - 200 / 9600), abs=0.003)
    assert json.loads(json.dumps(told))["matched_250"]["truths"] > 100


def test_a_single_frame_has_no_shuffled_control() -> None:
    labelled = movie(6)._replace(frames=np.zeros((1, 40, 40), np.uint16), emitters=movie(6).emitters.of_frame(0))
    told = summary([take(Judged(labelled, labelled.emitters), 2.0)])
    assert "shuffled_250" not in told
    assert math.isnan(told["recall_3"]) or told["recall_3"] == 1
