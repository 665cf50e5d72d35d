"""Whether a table belongs to a movie: where it has localisations, the movie has light.

Each of some localisations is looked at in its own frame: the mean of the 3 × 3 px around it beside that of the pixels
that surround these, out to 9 × 9. In simulated movies of 0.2 to 10 emitters per µm² with 150 to 5,000 photons 73 % or
more of the true rows are brighter; of another movie's, of rows read with a wrong pixel size, and of those with x and y
or frames exchanged, 25 to 52 %. An engineered point spread function may be dark in its middle, so it also counts if
more happens in these squares than in others of the frame.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from model.errors import InputError
from model.localisations import Table
from model.percentiles import Stack

MOST_FRAMES, MOST_ROWS = 200, 5000
LEAST_ROWS = 200
"""Fewer say too little."""
LEAST_DEVIATIONS = 3.0
"""By so many standard deviations of a fair coin more than half have to be brighter."""
_NEAR, _FAR = 1, 4
"""Half widths of the squares, px."""


def refuse_unrelated(stack: Stack, table: Table, own_nm: float) -> None:
    """Refuse a table whose localisations lie on no light.

    Args:
        stack: the movie, (T, Y, X).
        table: rows within it.
        own_nm: pixel size with which its positions were made.

    Raises:
        InputError: they are no brighter than what surrounds them.
    """
    brighter, livelier = _compared(stack, table, own_nm)
    if len(brighter) >= LEAST_ROWS and max(_deviations(brighter), _deviations(livelier)) < LEAST_DEVIATIONS:
        raise InputError(
            f"{table.name} does not fit the movie: of {len(brighter)} localisations looked at, {brighter.sum()} are "
            "brighter than what surrounds them, no more than by chance; check that the files belong together, the "
            "pixel size, and that x and y are not exchanged"
        )


def _deviations(won: NDArray[np.bool_]) -> float:
    """By how many standard deviations of a fair coin more than half have won."""
    return float((won.sum() - len(won) / 2) / (np.sqrt(len(won)) / 2))


def _compared(stack: Stack, table: Table, own_nm: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Of some rows, away from the border: which are brighter than what surrounds them, (N,), and which vary more."""
    emitters = table.emitters(own_nm)
    height, width = stack.shape[1:]
    column, line = np.floor(emitters.x_px).astype(int), np.floor(emitters.y_px).astype(int)
    inner = (np.minimum(column, line) >= _FAR) & (column < width - _FAR) & (line < height - _FAR)
    seen = np.flatnonzero(inner)
    frames = np.unique(emitters.frame[seen])
    brighter, livelier = [np.zeros(0, np.bool_)], [np.zeros(0, np.bool_)]
    for frame in frames[:: -(-len(frames) // MOST_FRAMES) or 1]:
        rows = seen[emitters.frame[seen] == frame][: MOST_ROWS // MOST_FRAMES]
        image = stack[frame : frame + 1][0]
        squares, others = _squares(image, line[rows], column[rows]), _squares(image, *_elsewhere(rows, height, width))
        near = squares[:, _FAR - _NEAR : _FAR + _NEAR + 1, _FAR - _NEAR : _FAR + _NEAR + 1]
        ring = (squares.sum((1, 2)) - near.sum((1, 2))) / (squares[0].size - near[0].size)
        brighter.append(near.mean((1, 2)) > ring)
        livelier.append(squares.std((1, 2)) > others.std((1, 2)))
    return np.concatenate(brighter), np.concatenate(livelier)


def _elsewhere(rows: NDArray[np.intp], height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """A place in the field for each row, evenly spread and the same in each call."""
    places = np.random.default_rng(rows).random((2, len(rows)))
    return _FAR + (places[0] * (height - 2 * _FAR)).astype(int), _FAR + (places[1] * (width - 2 * _FAR)).astype(int)


def _squares(image: NDArray[Any], line: NDArray[Any], column: NDArray[Any]) -> NDArray[np.float64]:
    """Squares around pixels of an image (Y, X), (N, 9, 9)."""
    edge = 2 * _FAR + 1
    squares = sliding_window_view(image, (edge, edge))[line - _FAR, column - _FAR]
    return np.asarray(squares, np.float64)
