"""Which prediction belongs to which true emitter: one-to-one within a radius, frame by frame.

In come two sets of rows, out go pairs of row numbers. `maximum` makes as many pairs as possible, and of those the least
total distance; `greedy` takes the closest pair first, then the next, as the SMLM Challenge 2016 does (Sage et al.
2019). Rows of different frames are never paired. Rows within reach of each other form small islands, so each island is
solved by itself, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from model.emitters import Emitters

Indices = NDArray[np.int64]
Matching = Literal["maximum", "greedy"]


class Pairs(NamedTuple):
    """K truths and predictions that lie within the radius of each other."""

    truth: Indices  # (K,)
    """Row among the truths."""
    predicted: Indices  # (K,)
    """Row among the predictions."""
    distance_px: NDArray[np.float64]  # (K,)

    def select(self, rows: NDArray[Any]) -> Pairs:
        """The pairs that a mask or an index array names."""
        return Pairs(self.truth[rows], self.predicted[rows], self.distance_px[rows])


class Depths(NamedTuple):
    """How deep the rows of both sets lie, where a pair must also agree in z."""

    truth_nm: NDArray[np.float64]  # (N,)
    predicted_nm: NDArray[np.float64]  # (M,)
    tolerance_nm: float
    """The farthest that a pair may be apart along z, included."""


class Pairing(NamedTuple):
    """Which of all possible pairs are made."""

    matching: Matching = "maximum"
    """Most pairs, then least distance; or the closest pair first."""
    neighbours: int | None = None
    """k, where a prediction may only be paired with one of its k nearest truths; None for any."""
    depths: Depths | None = None
    """Where a pair must also agree in z."""


MOST_PAIRS = Pairing()


def match(truth: Emitters, predicted: Emitters, radius_px: float, pairing: Pairing = MOST_PAIRS) -> Pairs:
    """Pair truths and predictions one to one, at most `radius_px` apart in the plane.

    Raises:
        ValueError: the radius is not positive.
    """
    edges, depths = within_reach(truth, predicted, radius_px), pairing.depths
    if depths is not None:
        apart_nm = np.abs(depths.truth_nm[edges.truth] - depths.predicted_nm[edges.predicted])
        edges = edges.select(apart_nm <= depths.tolerance_nm)
    if pairing.neighbours is not None:
        edges = _nearest(edges, pairing.neighbours)
    return _greedy(edges) if pairing.matching == "greedy" else _maximum(edges, truth.rows, predicted.rows)


def within_reach(truth: Emitters, predicted: Emitters, radius_px: float) -> Pairs:
    """Every truth and prediction of the same frame at most `radius_px` apart; a row may stand in many pairs.

    Raises:
        ValueError: the radius is not positive.
    """
    if not radius_px > 0:
        raise ValueError(f"the radius must be positive, found {radius_px:g} px")
    near = _tree(truth, radius_px).sparse_distance_matrix(_tree(predicted, radius_px), radius_px, output_type="ndarray")
    return Pairs(near["i"].astype(np.int64), near["j"].astype(np.int64), near["v"])


def _tree(emitters: Emitters, radius_px: float) -> cKDTree:
    """Points with the frame as a third coordinate, in which two frames are out of reach of each other."""
    return cKDTree(np.column_stack([emitters.x_px, emitters.y_px, emitters.frame * (3.0 * radius_px)]))


def _nearest(edges: Pairs, neighbours: int) -> Pairs:
    edges = edges.select(np.lexsort((edges.truth, edges.distance_px, edges.predicted)))
    first = np.searchsorted(edges.predicted, edges.predicted)
    return edges.select(np.arange(len(first)) - first < neighbours)


def _greedy(edges: Pairs) -> Pairs:
    """Takes, at once, every edge that is the shortest of both its rows: no other edge can come before it."""
    left = edges.select(np.argsort(edges.distance_px, kind="stable"))
    taken = [left.select(np.zeros(0, np.int64))]
    while len(left.truth):
        _, nearest_of_truth = np.unique(left.truth, return_index=True)
        _, nearest_of_predicted = np.unique(left.predicted, return_index=True)
        taken.append(left.select(np.intersect1d(nearest_of_truth, nearest_of_predicted)))
        free = ~(np.isin(left.truth, taken[-1].truth) | np.isin(left.predicted, taken[-1].predicted))
        left = left.select(free)
    return Pairs(*(np.concatenate(columns) for columns in zip(*taken, strict=True)))


def _maximum(edges: Pairs, truths: int, predictions: int) -> Pairs:
    if not len(edges.truth):
        return edges
    graph = coo_array(
        (np.ones(len(edges.truth)), (edges.truth, truths + edges.predicted)), shape=(truths + predictions,) * 2
    )
    island = connected_components(graph, directed=False)[1]  # (nodes,)
    edges = edges.select(np.lexsort((edges.distance_px, island[edges.truth])))
    row, rows = _places(edges.truth, island[:truths])
    column, columns = _places(edges.predicted, island[truths:])
    _, start, size = np.unique(island[edges.truth], return_index=True, return_counts=True)
    rows, columns = rows[start], columns[start]
    star = (rows == 1) | (columns == 1)
    chosen = [start[star]]
    for at, length, shape in zip(start[~star], size[~star], _shapes(rows[~star], columns[~star]), strict=True):
        part = slice(at, at + length)
        chosen.append(at + _best_of(edges.distance_px[part], row[part], column[part], shape))
    return edges.select(np.concatenate(chosen))


def _places(ends: Indices, island: NDArray[np.int32]) -> tuple[Indices, Indices]:
    """For the end of each edge: its place among the rows of its island, and how many these are."""
    order = np.argsort(island, kind="stable")
    first = np.searchsorted(island[order], island)
    place = np.empty(len(island), np.int64)
    place[order] = np.arange(len(island))
    members = np.bincount(island, minlength=1)
    return (place - first)[ends], members[island[ends]]


def _shapes(rows: Indices, columns: Indices) -> Iterator[tuple[int, int]]:
    return zip(rows.tolist(), columns.tolist(), strict=True)


def _best_of(distance_px: NDArray[np.float64], row: Indices, column: Indices, shape: tuple[int, int]) -> Indices:
    """The edges of an island to keep; a missing edge costs more than all others together, so most pairs come first."""
    cost = np.full(shape, (min(shape) + 1) * distance_px[-1] + 1.0)
    edge = np.full(shape, -1)
    cost[row, column] = distance_px
    edge[row, column] = np.arange(len(row))
    chosen = edge[linear_sum_assignment(cost)]
    return chosen[chosen >= 0]
