"""Streams of training patches: order, resumption, labels that follow their pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from model.config import TrainConfig
from model.emitters import Emitters, LabelledMovie
from model.normalisation import Intensities
from model.patches import (
    Patches,
    PatchStream,
    Purpose,
    Windows,
    cut,
    experimental_stream,
    joined,
    simulated_stream,
    tiles,
)
from model.targets import build_targets, count_map


def config(**groups: dict[str, object]) -> TrainConfig:
    return TrainConfig.model_validate({"model": {"depth": 1}, "data": {"patch_px": 16}} | groups)


def numbered(rng: np.random.Generator) -> Patches:
    values = rng.integers(0, 1000, 5).reshape(5, 1, 1, 1)
    return Patches(values.astype(np.float32), values.astype(np.uint8), np.ones((5, 1, 1, 1), np.float32))


def labelled_movie(frames: int = 6, height: int = 20, width: int = 24) -> LabelledMovie:
    """A movie in which each emitter is one bright pixel, so that pixels and labels can be compared."""
    rng = np.random.default_rng(0)
    counts = (rng.random((frames, height, width)) < 0.05).astype(np.uint16)
    frame, line, column = np.nonzero(counts)
    noise = rng.integers(0, 3, counts.shape, np.uint16)
    return LabelledMovie(counts * 500 + noise, Emitters.of(frame, column + 0.5, line + 0.5), 100.0)


def follows(patches: Patches) -> bool:
    """Whether the bright pixels are the labelled ones."""
    return bool(((patches.x > 0.5) == (patches.y > 0)).all())


@pytest.mark.parametrize("start", [0, 3, 5, 11])
def test_a_stream_entered_anywhere_gives_what_it_gives_from_the_start(start: int) -> None:
    whole = PatchStream(numbered, 5, Purpose.SIMULATED, 7).take(0, 20).x
    assert (PatchStream(numbered, 5, Purpose.SIMULATED, 7).take(start, 17).x == whole[start:17]).all()


def test_streams_of_other_seeds_and_purposes_differ() -> None:
    streams = [
        PatchStream(numbered, 5, purpose, seed)
        for purpose, seed in ((Purpose.SIMULATED, 0), (Purpose.SIMULATED, 1), (Purpose.EXPERIMENTAL, 0))
    ]
    assert len({stream.take(0, 5).x.tobytes() for stream in streams}) == 3


def test_blocks_differ_from_each_other() -> None:
    stream = PatchStream(numbered, 5, Purpose.SIMULATED, 0)
    assert stream.take(0, 5).x.tobytes() != stream.take(5, 10).x.tobytes()


def test_no_block_of_any_seed_meets_another_one_or_the_held_out_movies() -> None:
    """Trailing zeros of a NumPy seed do not count: without a first word of its own, [3, 0] would be [3]."""

    def first_number(rng: np.random.Generator) -> Patches:
        drawn = np.full((1, 1, 1, 1), rng.random())
        return Patches(drawn, drawn, drawn)  # type: ignore[arg-type]

    training = [
        float(PatchStream(first_number, 1, purpose, seed).take(block, block + 1).x[0, 0, 0, 0])
        for purpose in (Purpose.SIMULATED, Purpose.EXPERIMENTAL)
        for seed in range(6)
        for block in range(6)
    ]
    held_out = [np.random.default_rng([purpose]).random() for purpose in (Purpose.VALIDATION, Purpose.TEST)]
    assert len({*training, *held_out}) == 2 * 6 * 6 + 2


@pytest.mark.parametrize("frames", [1, 3, 5])
def test_simulated_patches_have_the_asked_size_and_range(frames: int) -> None:
    stream = simulated_stream(config(model={"depth": 1, "frames": frames}))
    patches = stream.take(2, 9)
    assert patches.x.shape == patches.y.shape == patches.w.shape == (7, frames, 16, 16)
    assert (patches.x.dtype, patches.y.dtype, patches.w.dtype) == (np.float32, np.uint8, np.float32)
    assert -1 <= patches.x.min() < patches.x.max() <= 1
    assert patches.y.max() <= 3


def test_a_resumed_simulation_sees_the_same_patches() -> None:
    first, resumed = simulated_stream(config()), simulated_stream(config())
    first.take(0, 10)
    span = (first.block_size - 3, first.block_size + 3)
    assert all((a == b).all() for a, b in zip(first.take(*span), resumed.take(*span), strict=True))


def test_simulated_patches_are_bright_where_they_are_labelled() -> None:
    bright = {"photons_spread": 0.0, "density_max_per_um2": 0.5, "mean_on_frames": 20.0}
    patches = simulated_stream(config(simulation=bright)).take(0, 200)
    assert patches.x[(patches.y > 0)].mean() > 0.8
    assert patches.x[(patches.y == 0)].mean() < -0.4


def test_intensities_come_from_the_stack_and_not_from_the_patch() -> None:
    sparse = {"density_min_per_um2": 0.2, "density_max_per_um2": 0.2, "structure": "uniform"}
    patches = simulated_stream(config(simulation=sparse)).take(0, 200)
    brightest = patches.x.max(axis=(1, 2, 3))
    assert (brightest < 0.9).any()
    assert (brightest == 1).any()


def test_cutting_takes_image_and_labels_from_the_same_place() -> None:
    movie = labelled_movie()
    windows = Windows(np.array([[1, 0], [5, 4]]), np.array([2, 0]), np.array([7, 4]), 11, 13)
    patches = cut(movie, windows, Intensities(0.0, 500.0), config().data)
    truth = count_map(movie.emitters, movie.frames.shape)
    assert (patches.y[0, 0] == truth[1, 2:13, 7:20]).all()
    assert (patches.y[1, 1] == truth[4, :11, 4:17]).all()
    assert follows(patches)


@pytest.mark.parametrize("low_snr", ["ignore", "soft", "background"])
def test_the_targets_of_a_window_are_those_of_the_movie_there(low_snr: Literal["ignore", "soft", "background"]) -> None:
    """Weak emitters just outside a window reach into it."""
    rng = np.random.default_rng(2)
    emitters = Emitters.of(
        rng.integers(0, 4, 150), rng.uniform(0, 20, 150), rng.uniform(0, 20, 150), 1.0, rng.uniform(0, 5, 150)
    )
    movie = LabelledMovie(rng.integers(0, 99, (4, 20, 20)), emitters, 100.0)
    whole = build_targets(emitters, (4, 20, 20), low_snr, 2.0)
    windows = Windows(np.array([[0, 1, 2], [3, 2, 3]]), np.array([0, 9]), np.array([12, 5]), 8, 8)
    data = config(data={"low_snr": low_snr, "patch_px": 8}).data
    patches = cut(movie, windows, Intensities(0.0, 99.0), data)
    for patch, (frames, top, left) in enumerate([([0, 1, 2], 0, 12), ([3, 2, 3], 9, 5)]):
        assert (patches.y[patch] == whole.counts[frames, top : top + 8, left : left + 8]).all()
        assert (patches.w[patch] == whole.weights[frames, top : top + 8, left : left + 8]).all()


def test_turned_and_mirrored_crops_keep_their_labels() -> None:
    patches = experimental_stream(labelled_movie(), config()).take(0, 256)
    assert patches.x.shape == (256, 3, 16, 16)
    assert follows(patches)


def test_crops_of_one_place_come_in_all_eight_orientations() -> None:
    movie = labelled_movie(frames=1, height=16, width=16)
    patches = experimental_stream(movie, config(model={"depth": 1, "frames": 1})).take(0, 256)
    assert len({patch.tobytes() for patch in patches.y}) == 8


def test_windows_beyond_the_ends_of_a_movie_are_reflected() -> None:
    movie = labelled_movie(frames=2, height=16, width=16)
    patches = experimental_stream(movie, config()).take(0, 64)
    assert (patches.y[:, 0] == patches.y[:, 2]).all()
    assert (patches.y[:, 0] != patches.y[:, 1]).any()


def test_tiles_cover_a_movie_once_and_leave_out_the_rest() -> None:
    movie = labelled_movie(frames=7, height=35, width=20)
    patches = tiles(movie, config(), 99)
    assert patches.x.shape == (2 * 2 * 1, 3, 16, 16)
    held = movie.emitters.select((movie.emitters.frame < 6) & (movie.emitters.y_px < 32) & (movie.emitters.x_px < 16))
    assert patches.y.sum() == held.rows
    assert follows(patches)


def test_of_many_tiles_some_are_kept_from_the_first_to_the_last() -> None:
    movie = labelled_movie(frames=30, height=32, width=16)
    whole, some = (tiles(movie, config(), most) for most in (99, 5))
    assert len(whole.x) == 20
    assert (some.x == whole.x[[0, 4, 9, 14, 19]]).all()


def test_a_movie_smaller_and_shorter_than_a_patch_is_one_tile() -> None:
    patches = tiles(labelled_movie(frames=1, height=9, width=40), config(data={"patch_px": 32}), 99)
    assert patches.x.shape == (1, 3, 9, 32)
    assert (patches.y[:, 0] == patches.y[:, 2]).all()


def test_joined_patches_keep_their_order() -> None:
    parts = [numbered(np.random.default_rng(seed)) for seed in (1, 2)]
    assert (joined(parts).x == np.concatenate([parts[0].x, parts[1].x])).all()


def test_the_real_movie_gives_patches(test_data: Path) -> None:
    from model.config import DataConfig
    from model.experimental import load_experimental

    data = DataConfig(
        source="experimental",
        movie=str(test_data / "locan/images.tif"),
        table=str(test_data / "locan/rapidSTORM_from_images.txt"),
        pixel_nm=133.0,
    )
    training, validation = load_experimental(data)
    patches = experimental_stream(training, TrainConfig(data=data)).take(0, 256)
    assert patches.x.shape == (256, 3, 32, 32)
    assert 0 < patches.y.sum() < 256
    assert tiles(validation, TrainConfig(data=data), 99).y.sum() == 3
