"""How long it takes to score movies with 6 emitters per um², beside a Hungarian assignment of whole frames.

    python benchmarks/scoring.py

The other one is what one would write first: for each frame the matrix of all distances, those beyond the radius made
dear, and scipy's `linear_sum_assignment`. Both find the same number of pairs. Its time grows with the third power of
the emitters in a frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from model.emitters import Emitters
from model.scoring.controls import shuffled
from model.scoring.crowding import rmsmd
from model.scoring.maps import pix8
from model.scoring.matching import Pairing, match
from model.scoring.scores import score
from model.scoring.verdicts import Criterion
from model.targets import count_map

MOVIES = {64: 500, 128: 500, 256: 50}
"""Frames, by edge in px."""
DENSITY, PIXEL_NM = 6.0, 100.0
RADII_PX = (2.5, 1.0)


def main() -> None:
    for edge_px, frames in MOVIES.items():
        truth, predicted = _movie(edge_px, frames, np.random.default_rng(0))
        print(f"{frames} frames of {edge_px} × {edge_px} px, {DENSITY:g} per um²: {truth.rows:,} truths")
        for radius_px in RADII_PX:
            _compare(truth, predicted, radius_px)
        _rest(truth, predicted, (frames, edge_px, edge_px))


def _movie(edge_px: int, frames: int, rng: np.random.Generator) -> tuple[Emitters, Emitters]:
    """Truths anywhere; of nine in ten a prediction 40 nm off, and one in ten predictions anywhere."""
    rows = round(frames * DENSITY * (edge_px * PIXEL_NM / 1000) ** 2)
    frame, (x_px, y_px) = rng.integers(0, frames, rows), rng.uniform(0, edge_px, (2, rows))
    truth = Emitters.of(frame, x_px, y_px, snr=rng.uniform(1, 9, rows))
    seen = truth.select(rng.random(rows) < 0.9)
    near = seen._replace(x_px=seen.x_px + rng.normal(0, 0.3, seen.rows), y_px=seen.y_px + rng.normal(0, 0.3, seen.rows))
    false = rng.uniform(0, edge_px, (2, rows // 10))
    predicted = Emitters.of(
        np.concatenate([near.frame, rng.integers(0, frames, rows // 10)]),
        np.concatenate([near.x_px, false[0]]),
        np.concatenate([near.y_px, false[1]]),
    )
    return truth, predicted


def _compare(truth: Emitters, predicted: Emitters, radius_px: float) -> None:
    (ours, pairs), (dense, dense_pairs) = (
        _timed(lambda: len(match(truth, predicted, radius_px).truth)),
        _timed(lambda: _dense(truth, predicted, radius_px)),
    )
    assert pairs == dense_pairs, (pairs, dense_pairs)
    print(f"  pairs within {radius_px * PIXEL_NM:>3g} nm   {pairs:>9,}   ours {ours:6.2f} s   dense {dense:7.2f} s")


def _rest(truth: Emitters, predicted: Emitters, shape: tuple[int, int, int]) -> None:
    counts = [count_map(each, shape) for each in (truth, predicted)]
    moved = shuffled(predicted, shape[0], np.random.default_rng(0))
    curated = Criterion(snr_threshold=2.0)
    steps: dict[str, Callable[[], object]] = {
        "curated scores": lambda: score(truth, predicted, 2.5, PIXEL_NM, curated),
        "greedy": lambda: score(truth, predicted, 2.5, PIXEL_NM, Criterion(pairing=Pairing("greedy"))),
        "lenient": lambda: score(truth, predicted, 2.5, PIXEL_NM, Criterion("knn_lenient")),
        "shuffled control": lambda: score(truth, moved, 2.5, PIXEL_NM, curated),
        "pix8": lambda: pix8(*counts),
        "RMSMD": lambda: rmsmd(truth, predicted, PIXEL_NM),
    }
    print("  " + ", ".join(f"{name} {_timed(step)[0]:.2f} s" for name, step in steps.items()))


def _dense(truth: Emitters, predicted: Emitters, radius_px: float) -> int:
    pairs = 0
    for frame in range(truth.frame[-1] + 1):
        here, there = truth.of_frame(frame), predicted.of_frame(frame)
        distance = cdist(np.column_stack([here.x_px, here.y_px]), np.column_stack([there.x_px, there.y_px]))
        rows, columns = linear_sum_assignment(np.where(distance <= radius_px, distance, 1e6))
        pairs += int((distance[rows, columns] <= radius_px).sum())
    return pairs


def _timed(step: Callable[[], object]) -> tuple[float, object]:
    began = time.perf_counter()
    answer = step()
    return time.perf_counter() - began, answer


if __name__ == "__main__":
    main()
