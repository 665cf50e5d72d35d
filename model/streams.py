"""Endless training patches in an order that depends on nothing but a seed, readable from any place.

A `PatchStream` takes its patches from numbered blocks, and block j is the same whether a run reached it or was resumed
there. A simulated block is a handful of scenes, each a stack of 100 frames from which the intensities of its clips are
taken, shuffled, and never comes twice; an experimental block is random crops, turned and mirrored.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from enum import IntEnum

import numpy as np

from model.config import TrainConfig
from model.curation import reflected
from model.emitters import LabelledMovie
from model.errors import InputError
from model.normalisation import Intensities, measure
from model.patches import Patches, cut, joined, random_windows, turned
from model.scene import draw_scene
from model.scene_store import SceneStore, key_of
from model.simulator import simulate_movie
from model.supply import Draw, from_processes

SCENE_FRAMES = 100
"""Frames of a simulated stack, enough for its percentiles to stand for a movie."""
SCENE_PX = 32
"""Least edge of a simulated stack, px."""
_MOST_SCENES = 16
_MOST_CROPS = 256
_BLOCK_PIXELS = 4_000_000
_MOST_DRAWS = 20


class Purpose(IntEnum):
    """First word of every seed, so that no two uses of a generator can meet."""

    SIMULATED = 1
    EXPERIMENTAL = 2
    VALIDATION = 3
    TEST = 4
    CUT = 5


class PatchStream:
    """Patches 0, 1, 2, … of blocks that each hold `block_size`."""

    def __init__(self, draw: Draw[Patches], block_size: int) -> None:
        self.block_size = block_size
        self._draw = draw
        self._last: tuple[int, Patches] | None = None

    def take(self, start: int, stop: int) -> Patches:
        """Patches `start` to `stop` (exclusive; at least one)."""
        size = self.block_size
        blocks = range(start // size, (stop - 1) // size + 1)
        return joined([self._block(at).select(slice(max(start - at * size, 0), stop - at * size)) for at in blocks])

    def _block(self, index: int) -> Patches:
        kept = self._last
        if kept is None or kept[0] != index:
            kept = self._last = (index, self._draw(index))
        return kept[1]


def simulated_stream(config: TrainConfig, store: SceneStore | None = None) -> PatchStream:
    """Patches of freshly simulated scenes, `data.patch_px` wide and `model.frames` long.

    Blocks are made by `data.processes` processes, some ahead, or when they are asked for; with a store, scenes that any
    run has made are read from it. Neither changes a patch.
    """
    draw = functools.partial(simulated_block, config, store)
    blocks = from_processes(draw, config.data.processes) if config.data.processes else draw
    return PatchStream(blocks, scenes_in_block(config) * (SCENE_FRAMES // config.model.frames))


def simulated_block(config: TrainConfig, store: SceneStore | None, index: int) -> Patches:
    """The patches of one block, shuffled."""
    make = functools.partial(_scenes, config, index)
    scenes = make() if store is None else store.get(_scenes_key(config, index), make)
    rng = np.random.default_rng([Purpose.CUT, index, config.training.seed])
    drawn = joined([_clips(movie, config, rng) for movie in scenes])
    return drawn.select(rng.permutation(len(drawn.x)))


def experimental_stream(movie: Callable[[np.random.Generator], LabelledMovie], config: TrainConfig) -> PatchStream:
    """Random crops of a labelled movie, turned and mirrored; windows that reach beyond its ends are reflected.

    The movie is asked for anew for each block, since it may be binned in another way.
    """
    crops = int(np.clip(_BLOCK_PIXELS // (config.model.frames * config.data.patch_px**2), 1, _MOST_CROPS))

    def draw(index: int) -> Patches:
        rng = np.random.default_rng([Purpose.EXPERIMENTAL, index, config.training.seed])
        return _crops(movie(rng), config, crops, rng)

    return PatchStream(draw, crops)


def scenes_in_block(config: TrainConfig) -> int:
    """Simulated stacks in one block."""
    return int(np.clip(_BLOCK_PIXELS // (SCENE_FRAMES * _scene_px(config) ** 2), 1, _MOST_SCENES))


def _scene_px(config: TrainConfig) -> int:
    return max(SCENE_PX, config.data.patch_px)


def _scenes(config: TrainConfig, index: int) -> list[LabelledMovie]:
    seeds = ([Purpose.SIMULATED, index, config.training.seed, number] for number in range(scenes_in_block(config)))
    size_px = _scene_px(config)
    return [draw_movie(config, SCENE_FRAMES, size_px, np.random.default_rng(seed)) for seed in seeds]


def draw_movie(config: TrainConfig, frames: int, size_px: int, rng: np.random.Generator) -> LabelledMovie:
    """A simulated movie that a network can be shown: one whose drawn physics saturates the camera is drawn again.

    Raises:
        InputError: there is none among twenty.
    """
    for _ in range(_MOST_DRAWS):
        scene = draw_scene(config.simulation, config.data.pixel_nm, rng)
        movie = simulate_movie(scene, frames=frames, size_px=size_px, rng=rng)
        try:
            _intensities(movie, config)
        except InputError as error:
            refused = error
        else:
            return movie
    raise InputError(f"{_MOST_DRAWS} simulated stacks in a row cannot be trained on, the last because {refused}")


def _scenes_key(config: TrainConfig, index: int) -> str:
    """What scenes depend on; the percentiles are among it, since they may refuse one."""
    data = config.data
    ranks = (data.low_percentile, data.high_percentile)
    return key_of(config.simulation.model_dump(), data.pixel_nm, ranks, _scene_px(config), config.training.seed, index)


def _clips(movie: LabelledMovie, config: TrainConfig, rng: np.random.Generator) -> Patches:
    clips = len(movie.frames) // config.model.frames
    frames = np.arange(clips * config.model.frames).reshape(clips, config.model.frames)
    windows = random_windows(frames, movie.frames.shape[1:], config.data.patch_px, rng)
    return cut(movie, windows, _intensities(movie, config), config.data)


def _crops(movie: LabelledMovie, config: TrainConfig, crops: int, rng: np.random.Generator) -> Patches:
    starts = rng.integers(0, len(movie.frames), crops) - config.model.frames // 2
    frames = reflected(starts[:, None] + np.arange(config.model.frames), len(movie.frames))  # (N, T)
    windows = random_windows(frames, movie.frames.shape[1:], config.data.patch_px, rng)
    return turned(cut(movie, windows, _intensities(movie, config), config.data), rng.integers(0, 8, crops))


def _intensities(movie: LabelledMovie, config: TrainConfig) -> Intensities:
    return measure(movie.frames, config.data.low_percentile, config.data.high_percentile)
