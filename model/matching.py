"""Which prediction belongs to which true emitter: one-to-one within a radius, frame by frame.

In come two sets of rows, out go pairs of row numbers: as many pairs as possible, and among those the least total
distance. Rows of different frames are never paired. Rows within reach of each other form small islands, so each island
is solved by itself, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from model.emitters import Emitters

Indices = NDArray[np.int64]


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


def match(truth: Emitters, predicted: Emitters, radius_px: float, neighbours: int | None = None) -> Pairs:
    """Pair truths and predictions one to one: the largest number of pairs, then the least sum of distances.

    Args:
        truth: true emitters.
        predicted: localisations.
        radius_px: the farthest that a pair may be apart, included.
        neighbours: k, where a prediction may only be paired with one of its k nearest truths; None for any.
    """
    edges = within_reach(truth, predicted, radius_px)
    if neighbours is not None:
        edges = _nearest(edges, neighbours)
    chosen = [_best_of(edges, island) for island in _islands(edges, truth.rows, predicted.rows)]
    return edges.select(np.concatenate([np.zeros(0, np.int64), *chosen]))


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


def _islands(edges: Pairs, truths: int, predictions: int) -> Iterator[Indices]:
    """Numbers of the edges that share rows with each other only; those that share none come first, together."""
    nodes = truths + predictions
    graph = coo_array((np.ones(len(edges.truth)), (edges.truth, truths + edges.predicted)), shape=(nodes, nodes))
    label = connected_components(graph, directed=False)[1][edges.truth]
    order = np.argsort(label, kind="stable")
    _, starts, sizes = np.unique(label[order], return_index=True, return_counts=True)
    yield order[starts[sizes == 1]]
    for start, size in zip(starts[sizes > 1], sizes[sizes > 1], strict=True):
        yield order[start : start + size]


def _best_of(edges: Pairs, island: Indices) -> Indices:
    """The edges to keep; a missing edge costs more than all others together, so most pairs come first."""
    truths, row = np.unique(edges.truth[island], return_inverse=True)
    predictions, column = np.unique(edges.predicted[island], return_inverse=True)
    if len(truths) == len(predictions) == len(island):
        return island
    distance_px, shape = edges.distance_px[island], (len(truths), len(predictions))
    cost = np.full(shape, (min(shape) + 1) * distance_px.max() + 1.0)
    edge = np.full(shape, -1)
    cost[row, column] = distance_px
    edge[row, column] = island
    chosen = edge[linear_sum_assignment(cost)]
    return chosen[chosen >= 0]
