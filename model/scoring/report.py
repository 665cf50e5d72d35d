"""Everything that is said of an answer: scores at two radii, by every rule, beside their controls.

A movie is `taken` as tallies and a few numbers; many movies are `summarised` together, with intervals that resample
them. Names are `RULE_RADIUS`, as in `matched_250`; the headline is `matched`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.density import density_of
from model.scoring.challenge import challenge_scores
from model.scoring.controls import lattice, scattered, shuffled
from model.scoring.crowding import class_recall, rmsmd
from model.scoring.maps import calibration, pix8
from model.scoring.matching import Pairing
from model.scoring.scores import Tally, count, interval, macro_f1, pooled, summarise
from model.scoring.verdicts import Criterion, Judged, judge
from model.targets import count_map

RADII_NM = (250.0, 100.0)
HEADLINE = ("matched", "uncurated")
SEED = 0
"""Of controls and intervals."""


class Taken(NamedTuple):
    """What is known of the answer to one movie."""

    tallies: dict[str, Tally]
    numbers: dict[str, float]
    """Means over movies make sense of these; NaN where a movie does not tell."""


def take_headline(judged: Judged, snr_threshold: float) -> Taken:
    """Judge an answer by one-to-one pairs alone, curated and uncurated."""
    criteria = {name: _criteria(snr_threshold)[name] for name in HEADLINE}
    return Taken(_tallies(judged, criteria), {})


def take(judged: Judged, snr_threshold: float, probability: NDArray[Any] | None = None) -> Taken:
    """Judge an answer by every rule, and where there is one its probability map (T, Y, X, 4)."""
    tallies = _tallies(judged, _criteria(snr_threshold))
    for name, answer in _controls(judged).items():
        tallies |= _tallies(answer, {name: Criterion(snr_threshold=snr_threshold)})
    shape = judged.movie.frames.shape
    truth = count_map(judged.movie.emitters, shape)
    tallies["pix8"] = pix8(truth, count_map(judged.predicted, shape))
    return Taken(tallies, _numbers(judged, snr_threshold) | _of_map(truth, probability))


def summary(movies: Sequence[Taken]) -> dict[str, Any]:
    """The numbers of movies together (micro), with 95 % intervals of F1 and the mean of the movies' F1 (macro)."""
    told: dict[str, Any] = {}
    for name in movies[0].tallies:
        tallies = [movie.tallies[name] for movie in movies if name in movie.tallies]
        radius_nm = float(name.rpartition("_")[2]) if name != "pix8" else math.nan
        told[name] = summarise(pooled(tallies), radius_nm)._asdict() | {"macro_f1": macro_f1(tallies)}
        if len(tallies) > 1:
            rng = np.random.default_rng(SEED)
            told[name]["f1_interval"] = interval(tallies, lambda tally: summarise(tally, 0.0).f1, rng)
    for name in movies[0].numbers:
        told[name] = _mean([movie.numbers[name] for movie in movies])
    return told


def _criteria(snr_threshold: float) -> dict[str, Criterion]:
    return {
        "matched": Criterion(snr_threshold=snr_threshold),
        "uncurated": Criterion(),
        "greedy": Criterion(snr_threshold=snr_threshold, pairing=Pairing("greedy")),
        "k8": Criterion(snr_threshold=snr_threshold, pairing=Pairing(neighbours=8)),
        "lenient": Criterion("knn_lenient", snr_threshold),
    }


def _controls(judged: Judged) -> dict[str, Judged]:
    movie, rng = judged.movie, np.random.default_rng(SEED)
    controls = {"lattice": lattice(movie), "random": scattered(movie, rng)}
    if len(movie.frames) > 1:
        controls["shuffled"] = shuffled(judged.predicted, len(movie.frames), rng)
    return {name: Judged(movie, answer) for name, answer in controls.items()}


def _tallies(judged: Judged, criteria: dict[str, Criterion]) -> dict[str, Tally]:
    (_, truth, pixel_nm), predicted = judged
    return {
        f"{name}_{radius_nm:g}": count(judge(truth, predicted, radius_nm / pixel_nm, criterion), pixel_nm)
        for name, criterion in criteria.items()
        for radius_nm in RADII_NM
    }


def _numbers(judged: Judged, snr_threshold: float) -> dict[str, float]:
    movie, predicted = judged
    reliable = Criterion(snr_threshold=snr_threshold)
    verdict = judge(movie.emitters, predicted, RADII_NM[0] / movie.pixel_nm, reliable)
    densities = density_of(movie.emitters, movie.frames.shape, movie.pixel_nm)
    strong = movie.emitters.select(verdict.required)
    told = {
        "density": densities.field,
        "density_reliable": density_of(strong, movie.frames.shape, movie.pixel_nm).field,
        "density_local": densities.local,
        "rmsmd_nm": rmsmd(movie.emitters, predicted, movie.pixel_nm),
    }
    told |= {f"recall_{name}": share for name, share in zip("123", class_recall(movie, verdict), strict=True)}
    return told | {f"challenge_{name}": value for name, value in challenge_scores(judged)._asdict().items()}


def _of_map(truth: NDArray[np.uint8], probability: NDArray[Any] | None) -> dict[str, float]:
    if probability is None:
        return {}
    found = calibration(truth, probability)
    return {"calibration_error": found.error, "calibration_error_where_likely": found.error_where_likely}


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return float(np.mean(known)) if known else math.nan
