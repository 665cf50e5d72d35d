"""Training patches as NumPy arrays: endless, in an order that depends on nothing but a seed, readable from any place.

A `PatchStream` draws patches in blocks, each from a generator of its own that is seeded by the block's number; so patch
j is the same whether a run reached it or was resumed there. A simulated block is a handful of scenes, each a stack of
100 frames from which the intensities of its clips are taken, shuffled, and never comes twice; an experimental block is
random crops, turned and mirrored.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from model.config import DataConfig, TrainConfig
from model.curation import reflected
from model.emitters import LabelledMovie
from model.normalisation import measure, normalise
from model.simulator import draw_scene, simulate_movie
from model.targets import build_targets

Indices = NDArray[np.int64]

SCENE_FRAMES = 100
"""Frames of a simulated stack, enough for its percentiles to stand for a movie."""
SCENE_PX = 32
"""Least edge of a simulated stack, px."""
EXPERIMENTAL_BLOCK = 256
_MOST_SCENES = 16
_BLOCK_PIXELS = 4_000_000


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
    """Where N patches lie in a movie: their frames (N, T), lines (N, Y) and columns (N, X)."""

    frames: Indices
    lines: Indices
    columns: Indices


class Purpose(IntEnum):
    """First word of every seed, so that no two uses of a generator can meet."""

    SIMULATED = 1
    EXPERIMENTAL = 2
    VALIDATION = 3
    TEST = 4


class PatchStream:
    """Patches 0, 1, 2, … drawn `block_size` at a time, each block from a generator of its own."""

    def __init__(
        self, draw: Callable[[np.random.Generator], Patches], block_size: int, purpose: Purpose, seed: int
    ) -> None:
        self.block_size = block_size
        self._draw = draw
        self._purpose = purpose
        self._seed = seed
        self._last: tuple[int, Patches] | None = None

    def take(self, start: int, stop: int) -> Patches:
        """Patches `start` to `stop` (exclusive; at least one)."""
        size = self.block_size
        blocks = range(start // size, (stop - 1) // size + 1)
        return joined([self._block(at).select(slice(max(start - at * size, 0), stop - at * size)) for at in blocks])

    def _block(self, index: int) -> Patches:
        kept = self._last
        if kept is None or kept[0] != index:
            kept = (index, self._draw(np.random.default_rng([self._purpose, index, self._seed])))
            self._last = kept
        return kept[1]


def simulated_stream(config: TrainConfig) -> PatchStream:
    """Patches of freshly simulated scenes, `data.patch_px` wide and `model.frames` long."""
    edge = max(SCENE_PX, config.data.patch_px)
    scenes = int(np.clip(_BLOCK_PIXELS // (SCENE_FRAMES * edge**2), 1, _MOST_SCENES))

    def draw(rng: np.random.Generator) -> Patches:
        drawn = joined([_scene_patches(config, edge, rng) for _ in range(scenes)])
        return drawn.select(rng.permutation(len(drawn.x)))

    clips = scenes * (SCENE_FRAMES // config.model.frames)
    return PatchStream(draw, clips, Purpose.SIMULATED, config.training.seed)


def experimental_stream(movie: LabelledMovie, config: TrainConfig) -> PatchStream:
    """Random crops of a labelled movie, turned and mirrored; windows that reach beyond its ends are reflected."""
    prepared = prepare(movie, config.data)

    def draw(rng: np.random.Generator) -> Patches:
        centres = rng.integers(0, len(movie.frames), EXPERIMENTAL_BLOCK)
        frames = _around(centres, config.model.frames, len(movie.frames))
        crops = cut(prepared, _random_places(frames, prepared.x.shape[2:], config.data.patch_px, rng))
        return _turned(crops, rng.integers(0, 8, EXPERIMENTAL_BLOCK))

    return PatchStream(draw, EXPERIMENTAL_BLOCK, Purpose.EXPERIMENTAL, config.training.seed)


def tiles(movie: LabelledMovie, config: TrainConfig) -> Patches:
    """A movie cut into patches side by side, in time too; a movie smaller than a patch is one patch wide.

    What is left over at the right, at the bottom and at the end is not covered; a movie shorter than `model.frames` is
    reflected.
    """
    frames, height, width = movie.frames.shape
    length, edge = config.model.frames, config.data.patch_px
    starts = np.arange(max(frames // length, 1)) * length
    window = reflected(starts[:, None] + np.arange(length), frames)  # (windows, T)
    lines = _tiled(height, edge)
    columns = _tiled(width, edge)
    at, down, right = (each.ravel() for each in np.mgrid[: len(window), : len(lines), : len(columns)])
    return cut(prepare(movie, config.data), Windows(window[at], lines[down], columns[right]))


def prepare(movie: LabelledMovie, data: DataConfig) -> Patches:
    """A whole movie as one patch: normalised by the percentiles of its stack, with its targets. N is 1."""
    intensities = measure(movie.frames, data.low_percentile, data.high_percentile)
    scaled = normalise(movie.frames, intensities, data.clip)  # (T, Y, X)
    targets = build_targets(movie.emitters, scaled.shape, data.low_snr, data.snr_threshold)
    return Patches(scaled[None], targets.counts[None], targets.weights[None])


def cut(prepared: Patches, windows: Windows) -> Patches:
    """The windows of a prepared movie, (N, T, Y, X)."""
    at = (
        0,
        windows.frames[:, :, None, None],
        windows.lines[:, None, :, None],
        windows.columns[:, None, None, :],
    )
    return Patches(prepared.x[at], prepared.y[at], prepared.w[at])


def joined(parts: list[Patches]) -> Patches:
    """Patches one after the other."""
    if len(parts) == 1:
        return parts[0]
    return Patches(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _scene_patches(config: TrainConfig, edge: int, rng: np.random.Generator) -> Patches:
    scene = draw_scene(config.simulation, config.data.pixel_nm, rng)
    prepared = prepare(simulate_movie(scene, frames=SCENE_FRAMES, size_px=edge, rng=rng), config.data)
    clips = SCENE_FRAMES // config.model.frames
    frames = np.arange(clips * config.model.frames).reshape(clips, config.model.frames)
    return cut(prepared, _random_places(frames, (edge, edge), config.data.patch_px, rng))


def _random_places(frames: Indices, field: tuple[int, ...], edge: int, rng: np.random.Generator) -> Windows:
    tops = rng.integers(0, field[0] - edge + 1, (len(frames), 1))
    lefts = rng.integers(0, field[1] - edge + 1, (len(frames), 1))
    return Windows(frames, tops + np.arange(edge), lefts + np.arange(edge))


def _around(centres: Indices, length: int, frames: int) -> Indices:
    return reflected(centres[:, None] + np.arange(length) - length // 2, frames)  # (N, T)


def _tiled(size: int, edge: int) -> Indices:
    edge = min(edge, size)
    return np.arange(size // edge)[:, None] * edge + np.arange(edge)  # (tiles, edge)


def _turned(patches: Patches, symmetry: Indices) -> Patches:
    """Each patch under one of the eight symmetries of the square: number mod 4 quarter turns, mirrored from 4 on."""
    turned = patches.select(np.arange(len(symmetry)))
    for number in range(8):
        chosen = symmetry == number
        for array in turned:
            part = np.rot90(array[chosen], number % 4, (2, 3))
            array[chosen] = part[..., ::-1] if number >= 4 else part
    return turned
