"""How good count maps are, pixel by pixel: `pix8`, and whether p(any) is a probability."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching
from scipy.spatial import cKDTree

from model.scoring.scores import Tally

BINS = 10
"""Equal steps of p(any) in which its calibration is measured."""


def pix8(true_counts: NDArray[Any], predicted_counts: NDArray[Any]) -> Tally:
    """Emitters found where a count may move by one pixel, to any of the 8 neighbours.

    The number of hits is that of the maximum flow from predicted to true counts, frame by frame.

    Args:
        true_counts: emitters per pixel, (T, Y, X) whole numbers.
        predicted_counts: likewise.

    Raises:
        ValueError: the shapes differ.
    """
    if true_counts.shape != predicted_counts.shape:
        raise ValueError(f"count maps differ in shape: {true_counts.shape} and {predicted_counts.shape}")
    truth, predicted = _units(true_counts), _units(predicted_counts)
    near = cKDTree(truth).sparse_distance_matrix(cKDTree(predicted), 1.5, p=np.inf, output_type="ndarray")
    graph = csr_array((np.ones(len(near), np.int8), (near["i"], near["j"])), shape=(len(truth), len(predicted)))
    hits = int((maximum_bipartite_matching(graph) >= 0).sum()) if graph.nnz else 0
    return Tally(hits, len(truth), hits, len(predicted))


def _units(counts: NDArray[Any]) -> NDArray[np.float64]:
    """One point for each counted emitter, (N, 3), frames out of each other's reach."""
    occupied = np.argwhere(counts > 0)
    points = np.repeat(occupied, counts[tuple(occupied.T)].astype(np.int64), axis=0)
    return np.asarray(points * np.array([3.0, 1.0, 1.0]))


class Calibration(NamedTuple):
    """What came of the pixels with a p(any) in each of ten equal steps."""

    stated: NDArray[np.float64]  # (10,)
    """Mean p(any); NaN in a step without a pixel."""
    observed: NDArray[np.float64]  # (10,)
    """Share of pixels that hold an emitter; NaN likewise."""
    pixels: NDArray[np.int64]  # (10,)

    @property
    def error(self) -> float:
        """Expected calibration error: mean of |stated − observed| over pixels (Naeini et al. 2015)."""
        filled = self.pixels > 0
        off = np.abs(self.stated - self.observed)[filled]
        return float((off * self.pixels[filled]).sum() / max(self.pixels.sum(), 1))

    @property
    def error_where_likely(self) -> float:
        """The same over pixels with p(any) of 0.1 and more: the empty rest, nearly all pixels, hides them."""
        return Calibration(self.stated[1:], self.observed[1:], self.pixels[1:]).error


def calibration(true_counts: NDArray[Any], probability: NDArray[Any]) -> Calibration:
    """Calibration of p(any) = 1 − p0 of a map (T, Y, X, 4) against true counts (T, Y, X)."""
    stated = 1.0 - probability[..., 0].ravel().astype(np.float64)
    step = np.clip((stated * BINS).astype(np.int64), 0, BINS - 1)
    pixels = np.bincount(step, minlength=BINS)
    none = np.where(pixels > 0, pixels, np.nan)
    mean = np.bincount(step, stated, BINS) / none
    occupied = np.bincount(step, true_counts.ravel() > 0, BINS) / none
    return Calibration(mean, occupied, pixels)
