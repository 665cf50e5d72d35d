"""Patches of movies as NumPy arrays: what the network sees, what it shall answer, and where it counts.

A patch is a few consecutive frames of a square piece of a movie, scaled by the intensities of the whole movie, with the
targets of the emitters in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.config import TrainConfig
from model.curation import reflected
from model.data_config import DataConfig
from model.emitters import Emitters, LabelledMovie
from model.normalisation import Intensities, measure, normalise
from model.targets import build_targets

Indices = NDArray[np.int64]


class Patches(NamedTuple):
    """N blocks of T frames: what the network sees, what it shall answer, and where it counts."""

    x: NDArray[np.float32]  # (N, T, Y, X)
    """Intensities, −1..1."""
    y: NDArray[np.uint8]  # (N, T, Y, X)
    """Emitters per pixel, 0 to 3 (and more)."""
    w: NDArray[np.float32]  # (N, T, Y, X)
    """Weights, 0..1."""

    def select(self, rows: Indices | slice) -> Patches:
        """The patches that an index array or a slice names."""
        return Patches(self.x[rows], self.y[rows], self.w[rows])


class Windows(NamedTuple):
    """Where N patches of one size lie in a movie."""

    frames: Indices  # (N, T)
    top: Indices  # (N,)
    left: Indices  # (N,)
    height: int
    width: int


def tiles(movie: LabelledMovie, config: TrainConfig, most: int) -> Patches:
    """A movie cut into patches side by side, in time too; a movie smaller than a patch is one patch wide.

    Of more than `most` patches so many are kept, spread evenly. What is left over at the right, at the bottom and at
    the end is not covered; a movie shorter than `model.frames` is reflected.
    """
    frames, height, width = movie.frames.shape
    length, lines, columns = config.model.frames, *(min(config.data.patch_px, size) for size in (height, width))
    starts, tops, lefts = np.meshgrid(
        np.arange(max(frames // length, 1)) * length,
        np.arange(height // lines) * lines,
        np.arange(width // columns) * columns,
        indexing="ij",
    )
    kept = np.linspace(0, starts.size - 1, min(most, starts.size)).astype(np.int64)  # (N,)
    seen = reflected(starts.ravel()[kept, None] + np.arange(length), frames)  # (N, T)
    intensities = measure(movie.frames, config.data.low_percentile, config.data.high_percentile)
    return cut(movie, Windows(seen, tops.ravel()[kept], lefts.ravel()[kept], lines, columns), intensities, config.data)


def cut(movie: LabelledMovie, windows: Windows, intensities: Intensities, data: DataConfig) -> Patches:
    """The windows of a movie, scaled by `intensities`, with their targets; nothing else of the movie is touched."""
    lines = windows.top[:, None] + np.arange(windows.height)  # (N, Y)
    columns = windows.left[:, None] + np.arange(windows.width)  # (N, X)
    counts = movie.frames[windows.frames[:, :, None, None], lines[:, None, :, None], columns[:, None, None, :]]
    images = (windows.frames.size, windows.height + 2, windows.width + 2)  # a weak emitter reaches one px further
    targets = build_targets(_within(movie.emitters, windows), images, data.low_snr, data.snr_threshold)
    y, w = (each[:, 1:-1, 1:-1].reshape(counts.shape) for each in targets)
    return Patches(normalise(counts, intensities, data.clip), y, w)


def joined(parts: list[Patches]) -> Patches:
    """Patches one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Patches(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def random_windows(frames: Indices, field: tuple[int, ...], edge: int, rng: np.random.Generator) -> Windows:
    """Squares of edge `edge` anywhere in a field (Y, X), one for each row of frames (N, T)."""
    top, left = (rng.integers(0, size - edge + 1, len(frames)) for size in field)
    return Windows(frames, top, left, edge, edge)


def turned(patches: Patches, symmetry: Indices) -> Patches:
    """Each patch under one of the eight symmetries of the square: number mod 4 quarter turns, mirrored from 4 on."""
    copies = patches.select(np.arange(len(symmetry)))
    for number in range(8):
        chosen = symmetry == number
        for array in copies:
            part = np.rot90(array[chosen], number % 4, (2, 3))
            array[chosen] = part[..., ::-1] if number >= 4 else part
    return copies


def _within(emitters: Emitters, windows: Windows) -> Emitters:
    """The emitters of each window's frames, numbered N T; positions count from one px left of and above the window."""
    wanted = windows.frames.ravel()  # (N T,)
    first, last = np.searchsorted(emitters.frame, (wanted, wanted + 1))
    held = last - first
    image = np.repeat(np.arange(len(wanted)), held)
    rows = np.arange(len(image)) - np.repeat(np.cumsum(held) - held, held) + first[image]
    patch = image // windows.frames.shape[1]
    seen = emitters.select(rows)
    x_px, y_px = seen.x_px - windows.left[patch] + 1, seen.y_px - windows.top[patch] + 1
    return seen._replace(frame=image, x_px=x_px, y_px=y_px)
