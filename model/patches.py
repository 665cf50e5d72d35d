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

from model.config import TrainConfig
from model.curation import reflected
from model.data_config import DataConfig
from model.emitters import Emitters, LabelledMovie
from model.normalisation import Intensities, measure, normalise
from model.scene import draw_scene
from model.simulator import simulate_movie
from model.targets import build_targets

Indices = NDArray[np.int64]

SCENE_FRAMES = 100
"""Frames of a simulated stack, enough for its percentiles to stand for a movie."""
SCENE_PX = 32
"""Least edge of a simulated stack, px."""
_MOST_SCENES = 16
_MOST_CROPS = 256
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
    """Where N patches of one size lie in a movie."""

    frames: Indices  # (N, T)
    top: Indices  # (N,)
    left: Indices  # (N,)
    height: int
    width: int


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
    intensities = measure(movie.frames, config.data.low_percentile, config.data.high_percentile)
    crops = int(np.clip(_BLOCK_PIXELS // (config.model.frames * config.data.patch_px**2), 1, _MOST_CROPS))

    def draw(rng: np.random.Generator) -> Patches:
        starts = rng.integers(0, len(movie.frames), crops) - config.model.frames // 2
        frames = reflected(starts[:, None] + np.arange(config.model.frames), len(movie.frames))  # (N, T)
        windows = _random_windows(frames, movie.frames.shape[1:], config.data.patch_px, rng)
        return _turned(cut(movie, windows, intensities, config.data), rng.integers(0, 8, crops))

    return PatchStream(draw, crops, Purpose.EXPERIMENTAL, config.training.seed)


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


def _scene_patches(config: TrainConfig, edge: int, rng: np.random.Generator) -> Patches:
    scene = draw_scene(config.simulation, config.data.pixel_nm, rng)
    movie = simulate_movie(scene, frames=SCENE_FRAMES, size_px=edge, rng=rng)
    clips = SCENE_FRAMES // config.model.frames
    frames = np.arange(clips * config.model.frames).reshape(clips, config.model.frames)
    intensities = measure(movie.frames, config.data.low_percentile, config.data.high_percentile)
    return cut(movie, _random_windows(frames, (edge, edge), config.data.patch_px, rng), intensities, config.data)


def _random_windows(frames: Indices, field: tuple[int, ...], edge: int, rng: np.random.Generator) -> Windows:
    top, left = (rng.integers(0, size - edge + 1, len(frames)) for size in field)
    return Windows(frames, top, left, edge, edge)


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


def _turned(patches: Patches, symmetry: Indices) -> Patches:
    """Each patch under one of the eight symmetries of the square: number mod 4 quarter turns, mirrored from 4 on."""
    turned = patches.select(np.arange(len(symmetry)))
    for number in range(8):
        chosen = symmetry == number
        for array in turned:
            part = np.rot90(array[chosen], number % 4, (2, 3))
            array[chosen] = part[..., ::-1] if number >= 4 else part
    return turned
