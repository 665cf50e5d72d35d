"""What luck scores: answers that know how many emitters there are, but not where, or not when.

A crowded frame forgives much. As many random points as truths at 10 per um² reach an F1 of 0.69 within 250 nm, a
lattice 0.79. A score means what it exceeds of its controls.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.emitters import Emitters, LabelledMovie

Floats = NDArray[np.float64]


def shuffled(predicted: Emitters, frames: int, rng: np.random.Generator) -> Emitters:
    """Predictions of each frame moved to another one, a quarter of the movie away or more.

    All frames move by the same drawn number, around the end of the movie: no frame keeps its predictions, and molecules
    that shine for some frames do not meet themselves again.

    Raises:
        ValueError: the movie has fewer than two frames.
    """
    if frames < 2:
        raise ValueError(f"a control with shuffled frames needs at least 2 frames, found {frames}")
    least = max(frames // 4, 1)
    moved = (predicted.frame + rng.integers(least, frames - least, endpoint=True)) % frames
    return Emitters.of(moved, *predicted[1:])


def scattered(movie: LabelledMovie, rng: np.random.Generator) -> Emitters:
    """As many points in each frame as it has truths, anywhere."""
    _, height, width = movie.frames.shape
    rows = movie.emitters.rows
    return Emitters.of(movie.emitters.frame, rng.uniform(0, width, rows), rng.uniform(0, height, rows))


def lattice(movie: LabelledMovie) -> Emitters:
    """As many points in each frame as it has truths, as evenly spread as rows of points can be."""
    frames, height, width = movie.frames.shape
    numbers = np.bincount(movie.emitters.frame, minlength=frames)
    x_px, y_px = np.concatenate([_grid(int(number), height, width) for number in numbers], axis=1)
    return Emitters.of(np.repeat(np.arange(frames), numbers), x_px, y_px)


def _grid(number: int, height: float, width: float) -> Floats:
    """X and y (2, N): rows of nearly equal length, every other one moved by half a step."""
    lines = min(max(round(math.sqrt(number * height / width)), 1), max(number, 1))
    line: NDArray[Any] = np.arange(number) * lines // max(number, 1)
    length = np.bincount(line, minlength=lines)
    at = np.arange(number) - (np.cumsum(length) - length)[line]
    x = (at + 0.25 + 0.5 * (line % 2)) * width / np.maximum(length[line], 1)
    return np.stack([x, (line + 0.5) * height / lines])
