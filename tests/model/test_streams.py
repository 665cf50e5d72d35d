"""Streams of training patches: order, resumption, and that neither processes nor a store change a patch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from model.config import TrainConfig
from model.errors import InputError
from model.patches import Patches, tiles
from model.scene_store import SceneStore
from model.streams import PatchStream, Purpose, experimental_stream, simulated_block, simulated_stream
from tests.model.samples import config, follows, labelled_movie


def numbered(index: int) -> Patches:
    values = np.random.default_rng(index).integers(0, 1000, 5).reshape(5, 1, 1, 1)
    return Patches(values.astype(np.float32), values.astype(np.uint8), np.ones((5, 1, 1, 1), np.float32))


def same(first: Patches, second: Patches) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("start", [0, 3, 5, 11])
def test_a_stream_entered_anywhere_gives_what_it_gives_from_the_start(start: int) -> None:
    whole = PatchStream(numbered, 5).take(0, 20).x
    assert (PatchStream(numbered, 5).take(start, 17).x == whole[start:17]).all()


def test_blocks_and_seeds_differ() -> None:
    blocks = [
        simulated_block(config(training={"seed": seed}), None, index)
        for seed, index in ((0, 0), (0, 1), (1, 0), (1, 1))
    ]
    assert len({block.x.tobytes() for block in blocks}) == 4


def test_no_generator_of_any_seed_meets_another_one_or_those_of_the_held_out_movies() -> None:
    """Trailing zeros of a NumPy seed do not count: without a first word of its own, [3, 0] would be [3]."""
    span = range(5)
    words = [[Purpose.SIMULATED, block, seed, scene] for block in span for seed in span for scene in span]
    words += [
        [purpose, block, seed] for purpose in (Purpose.EXPERIMENTAL, Purpose.CUT) for block in span for seed in span
    ]
    words += [[Purpose.VALIDATION], [Purpose.TEST]]
    drawn = {float(np.random.default_rng(each).random()) for each in words}
    assert len(drawn) == len(words)


def test_processes_and_a_store_change_no_patch(tmp_path: Path) -> None:
    store = SceneStore(tmp_path)
    plain = simulated_stream(config())
    span = (plain.block_size - 3, 2 * plain.block_size + 3)
    expected = plain.take(*span)
    ahead = config(data={"patch_px": 16, "processes": 2})
    assert same(simulated_stream(ahead).take(*span), expected)
    assert same(simulated_stream(ahead, store).take(*span), expected)
    assert same(simulated_stream(config(), store).take(*span), expected)
    assert len(list(tmp_path.glob("*.scenes"))) >= 3


def test_cells_that_read_the_same_scenes_in_other_ways_share_them(tmp_path: Path) -> None:
    store = SceneStore(tmp_path)
    for changes in (
        {"model": {"depth": 1, "frames": 5}},
        {"data": {"patch_px": 16, "low_snr": "soft", "clip": "scale-only"}},
        {"optimizer": {"learning_rate": 1e-4}},
    ):
        simulated_block(config(**changes), store, 0)
    assert len(list(tmp_path.glob("*.scenes"))) == 1
    simulated_block(config(simulation={"photons": 900.0}), store, 0)
    assert len(list(tmp_path.glob("*.scenes"))) == 2


def test_physics_that_always_saturates_the_camera_is_an_error() -> None:
    blinding = {"photons": 100_000.0, "density_min_per_um2": 20.0, "density_max_per_um2": 20.0}
    with pytest.raises(InputError, match=r"20 simulated stacks in a row cannot be trained on.*saturated"):
        simulated_block(config(simulation=blinding), None, 0)


def test_physics_that_saturates_now_and_then_is_drawn_again() -> None:
    often = {
        "photons": 30_000.0,
        "photons_factor": 8.0,
        "density_min_per_um2": 1.0,
        "density_max_per_um2": 8.0,
        "structure": "clusters",
    }
    assert np.isfinite(simulated_block(config(simulation=often), None, 0).x).all()


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


def test_turned_and_mirrored_crops_keep_their_labels() -> None:
    patches = experimental_stream(lambda _: labelled_movie(), config()).take(0, 256)
    assert patches.x.shape == (256, 3, 16, 16)
    assert follows(patches)


def test_crops_of_one_place_come_in_all_eight_orientations() -> None:
    movie = labelled_movie(frames=1, height=16, width=16)
    patches = experimental_stream(lambda _: movie, config(model={"depth": 1, "frames": 1})).take(0, 256)
    assert len({patch.tobytes() for patch in patches.y}) == 8


def test_windows_beyond_the_ends_of_a_movie_are_reflected() -> None:
    movie = labelled_movie(frames=2, height=16, width=16)
    patches = experimental_stream(lambda _: movie, config()).take(0, 64)
    assert (patches.y[:, 0] == patches.y[:, 2]).all()
    assert (patches.y[:, 0] != patches.y[:, 1]).any()


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
