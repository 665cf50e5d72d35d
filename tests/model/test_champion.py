"""The network that ships finds dense emitters, is at home with ordinary movies, and says so where it is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, shift

from model.benchmark.cells import Cell
from model.benchmark.methods import probability_map
from model.commands.networks import load
from model.commands.predict import predict_movie
from model.data_config import SimulationConfig
from model.decoding.peeling import decode
from model.emitters import LabelledMovie
from model.movies import write_movie
from model.optics import ASTIGMATIC
from model.prediction.outputs import Paths
from model.prediction.streaming import Network
from model.scene import typical_scene
from model.scoring.scores import score
from model.scoring.verdicts import Criterion
from model.simulator import simulate_movie
from model.tables import read_table

SHIPPED_BELOW_BYTES = 10_000_000


@pytest.fixture(scope="module")
def champion() -> Network:
    return load(None)


def simulated(camera: str, density_per_um2: float) -> LabelledMovie:
    light = SimulationConfig(camera=camera, photons=4000, structure="uniform", mean_on_frames=3.0)  # type: ignore[arg-type]
    scene = typical_scene(light, 100.0, density_per_um2)
    return simulate_movie(scene, frames=12, size_px=64, rng=np.random.default_rng(3))


@pytest.mark.parametrize(("camera", "density_per_um2"), [("emccd", 2.0), ("scmos", 6.0)])
def test_it_finds_what_a_user_simulates(champion: Network, tmp_path: Path, camera: str, density_per_um2: float) -> None:
    movie = simulated(camera, density_per_um2)
    write_movie(tmp_path / "movie.tif", movie.frames, 100.0)
    paths = Paths.of(tmp_path, "movie")
    told = predict_movie(champion, tmp_path / "movie.tif", paths, None)
    found = read_table(paths.thunderstorm).emitters(100.0)
    assert score(movie.emitters, found, 2.5, 100.0, Criterion("knn_matched", 2.0)).f1 > 0.9
    assert not told["domain"]["out_of_domain"]


@pytest.mark.parametrize("changes", [{"sigma_px": 2.0}, {"axes": ASTIGMATIC, "z_range_nm": 400.0}])
def test_it_does_not_take_wide_or_astigmatic_spots_for_pairs(champion: Network, changes: dict[str, Any]) -> None:
    scene = Cell(1.0, on_frames=3.0).scene()._replace(**changes)
    movie = simulate_movie(scene, frames=10, size_px=64, rng=np.random.default_rng(5))
    found = decode(probability_map(champion, movie), champion.card.threshold)
    scores = score(movie.emitters, found, 2.5, 100.0, Criterion(snr_threshold=2.0))
    assert scores.precision > 0.7
    assert scores.recall > 0.85


def test_spots_with_lobes_are_out_of_its_domain(champion: Network, tmp_path: Path) -> None:
    movie = simulated("scmos", 0.5)
    light = movie.frames.astype(float) - 100
    lobes = sum(shift(light, (0, y, x), order=1, mode="wrap") for y, x in ((5, 0), (-5, 0), (0, 5), (0, -5)))
    frames = gaussian_filter(light + 0.6 * lobes, (0, 0.7, 0.7)) + 100
    write_movie(tmp_path / "lobes.tif", frames.astype("uint16"), 100.0)
    told = predict_movie(champion, tmp_path / "lobes.tif", Paths.of(tmp_path, "lobes"), None)
    assert told["domain"]["out_of_domain"]
    assert any("px apart" in reason for reason in told["domain"]["reasons"])


def test_it_is_small_enough_to_ship() -> None:
    [file] = (Path(__file__).parents[2] / "model" / "champion").glob("*.keras")
    assert file.stat().st_size < SHIPPED_BELOW_BYTES
