"""Movie files through a network: whole, in blocks, and after an interruption."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import h5py
import keras
import numpy as np
import pytest
import tifffile

from model.card import Card
from model.config import ModelConfig
from model.decoding.peeling import decode
from model.domain import TRAITS, Domain
from model.emitters import Emitters
from model.errors import InputError
from model.movies import open_movie, write_movie
from model.normalisation import measure
from model.prediction import streaming
from model.prediction.outputs import Paths, open_map, stem_of
from model.prediction.photons import Scale
from model.prediction.streaming import Network, Task, predict_file
from model.prediction.windows import Reading, predict
from model.tables import read_table
from model.unet import build_unet

FRAMES, HEIGHT, WIDTH = 11, 20, 26


@pytest.fixture(scope="module")
def network() -> Network:
    model = build_unet(ModelConfig(depth=1, base_filters=2, convolutions_per_block=1), [0.5, 0.3, 0.1, 0.1], seed=3)
    domain = Domain(np.random.default_rng(0).normal(100, 1, (30, len(TRAITS))))
    return Network(model, Card(Reading(3, "hard"), 20.0, 99.0, 0.7, 100.0, 0.3, domain), "digest")


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    counts = np.random.default_rng(1).integers(100, 4000, (FRAMES, HEIGHT, WIDTH)).astype("uint16")
    write_movie(tmp_path / "movie.tif", counts, 110.0)
    return tmp_path / "movie.tif"


class Asker(Protocol):
    def __call__(self, movie: Path, folder: str = "out") -> Task: ...


@pytest.fixture
def task() -> Iterator[Asker]:
    with ExitStack() as stack:

        def ask(movie: Path, folder: str = "out") -> Task:
            out = movie.parent / folder
            out.mkdir(exist_ok=True)
            return Task(stack.enter_context(open_movie(movie)), Paths.of(out, stem_of(movie)), 110.0, Scale())

        yield ask


def silent(done: int, frames: int) -> None:
    pass


def expected_map(network: Network, movie: Path) -> np.ndarray:
    frames = tifffile.imread(movie)
    return predict(network.model, frames, measure(frames, 20.0, 99.0), network.card.reading)


@pytest.mark.parametrize("frames_per_block", [1, 4, 100])
def test_blocks_give_the_map_that_the_whole_movie_gives(
    network: Network, task: Asker, movie: Path, monkeypatch: pytest.MonkeyPatch, frames_per_block: int
) -> None:
    monkeypatch.setattr(streaming, "BLOCK_PIXELS", frames_per_block * HEIGHT * WIDTH)
    asked = task(movie)
    journal = predict_file(network, asked, silent)
    assert journal.is_complete
    stored = open_map(asked.paths.map, asked.movie.shape)
    np.testing.assert_allclose(np.moveaxis(stored, 1, -1), expected_map(network, movie), atol=1e-5)


def test_the_map_opens_in_tifffile_with_channel_names_and_pixel_size(
    network: Network, task: Asker, movie: Path
) -> None:
    asked = task(movie)
    predict_file(network, asked, silent)
    with tifffile.TiffFile(asked.paths.map) as file:
        assert (file.series[0].axes, file.series[0].shape) == ("TCYX", (FRAMES, 4, HEIGHT, WIDTH))
        assert file.series[0].dtype == np.float32
        metadata = file.ome_metadata or ""
        total = file.asarray().sum(axis=1)
    assert all(f'Name="{name}"' in metadata for name in ("P0", "P1", "P2", "P3plus"))
    assert 'PhysicalSizeX="110.0" PhysicalSizeXUnit="nm"' in metadata
    np.testing.assert_allclose(total, 1, atol=1e-5)


def test_both_tables_hold_the_decoded_candidates_in_their_own_coordinates(
    network: Network, task: Asker, movie: Path
) -> None:
    asked = task(movie)
    journal = predict_file(network, asked, silent)
    found = decode(expected_map(network, movie), 0.7)
    assert journal.localisations == found.rows > 20
    for path in (asked.paths.thunderstorm, asked.paths.picasso):
        read = read_table(path).emitters(110.0)
        order, own = (np.lexsort((each.x_px.round(3), each.y_px.round(3), each.frame)) for each in (read, found))
        np.testing.assert_array_equal(read.frame[order], found.frame[own])
        np.testing.assert_allclose(read.x_px[order], found.x_px[own], atol=2e-3)
        np.testing.assert_allclose(read.y_px[order], found.y_px[own], atol=2e-3)
        assert (read.photons >= 0).all()
    with h5py.File(asked.paths.picasso) as file:
        rows = file["locs"][()]
    assert (rows["lpx"] == np.float32(0.3)).all()
    assert rows["x"].min() < 0.5
    header = asked.paths.thunderstorm.read_text().splitlines()
    assert sum("frame" in line for line in header) == 1


def contents(asked: Task) -> list[bytes]:
    paths = asked.paths
    with h5py.File(paths.picasso) as file:
        rows = file["locs"][()].tobytes()
    return [open_map(paths.map, asked.movie.shape).tobytes(), paths.thunderstorm.read_bytes(), rows]


class PulledPlugError(Exception):
    """The power goes."""


@pytest.mark.parametrize("torn", [False, True])
def test_an_interrupted_prediction_goes_on_and_ends_the_same(
    network: Network, task: Asker, movie: Path, monkeypatch: pytest.MonkeyPatch, torn: bool
) -> None:
    monkeypatch.setattr(streaming, "BLOCK_PIXELS", 2 * HEIGHT * WIDTH)
    whole = task(movie, "whole")
    predict_file(network, whole, silent)
    asked, seen = task(movie), []

    def pull_the_plug(done: int, frames: int) -> None:
        seen.append(done)
        if done >= 4:
            raise PulledPlugError

    with pytest.raises(PulledPlugError):
        predict_file(network, asked, pull_the_plug)
    if torn:
        with asked.paths.thunderstorm.open("ab") as file:
            file.write(b"7,3,12")
    resumed: list[int] = []
    journal = predict_file(network, task(movie), lambda done, frames: resumed.append(done))
    assert resumed[0] >= 4
    assert journal.is_complete
    assert contents(asked) == contents(whole)


def test_what_is_done_is_not_done_again_unless_something_else_is_asked(
    network: Network, task: Asker, movie: Path
) -> None:
    predict_file(network, task(movie), silent)
    told: list[int] = []
    predict_file(network, task(movie), lambda done, frames: told.append(done))
    assert told == [FRAMES]
    stricter = network._replace(card=network.card._replace(threshold=0.95))
    told.clear()
    fewer = predict_file(stricter, task(movie), lambda done, frames: told.append(done))
    assert told[0] == 0
    assert fewer.localisations < decode(expected_map(network, movie), 0.7).rows
    assert len(read_table(task(movie).paths.picasso).frame) == fewer.localisations


def test_the_journal_says_how_intensities_were_scaled_and_whether_the_movie_is_familiar(
    network: Network, task: Asker, movie: Path
) -> None:
    journal = predict_file(network, task(movie), silent)
    assert (journal.low, journal.high) == measure(tifffile.imread(movie), 20.0, 99.0)
    assert journal.domain is not None
    assert journal.domain["out_of_domain"] is True
    assert journal.domain["reasons"]


@pytest.mark.parametrize("frames", [1, 2])
def test_the_shortest_movies_are_predicted(network: Network, task: Asker, tmp_path: Path, frames: int) -> None:
    counts = np.random.default_rng(1).integers(100, 4000, (frames, 9, 9)).astype("uint16")
    write_movie(tmp_path / "short.tif", counts, 100.0)
    asked = task(tmp_path / "short.tif")
    journal = predict_file(network, asked, silent)
    assert journal.frames_done == frames
    assert journal.domain is not None
    assert journal.domain["out_of_domain"] is True
    assert journal.domain["reasons"][0] == f"frames: {frames}, trained on 3 at a time"
    assert open_map(asked.paths.map, asked.movie.shape).shape == (frames, 4, 9, 9)


def test_a_constant_movie_is_refused(network: Network, task: Asker, tmp_path: Path) -> None:
    write_movie(tmp_path / "flat.tif", np.full((3, 8, 8), 7, "uint16"), 100.0)
    with pytest.raises(InputError, match="constant"):
        predict_file(network, task(tmp_path / "flat.tif"), silent)


def test_a_network_that_finds_nothing_leaves_empty_tables(network: Network, task: Asker, movie: Path) -> None:
    class Blind(keras.Model):  # type: ignore[misc]
        output_shape = (None, None, None, None, 4)

        def predict_on_batch(self, x: np.ndarray) -> np.ndarray:
            return np.eye(4, dtype=np.float32)[np.zeros(x.shape[:-1], int)]

    asked = task(movie)
    assert predict_file(network._replace(model=Blind(), digest="blind"), asked, silent).localisations == 0
    assert asked.paths.thunderstorm.read_text().count("\n") == 1
    with h5py.File(asked.paths.picasso) as file:
        assert file["locs"].shape == (0,)


def test_outputs_are_named_after_the_movie() -> None:
    names = ["a.tif", "b.OME.TIF", "c.1.dax", "folder"]
    assert [stem_of(Path("x") / name) for name in names] == ["a", "b", "c.1", "folder"]


def test_photons_are_those_that_explain_the_image() -> None:
    from model.prediction.photons import with_photons
    from model.psf import render

    truth = Emitters.of([0, 0, 0, 1], [8.2, 10.4, 20.5, 12.0], [9.1, 9.9, 20.5, 12.0], [2000, 1000, 500, 3000])
    light = render(truth, (2, 30, 30), 1.1) + 50.0
    found = with_photons(truth, (light / 0.5).astype(np.float32), Scale(0.5, 1.1))
    np.testing.assert_allclose(found.photons, truth.photons, rtol=0.12)
