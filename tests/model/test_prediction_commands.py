"""`model predict`, `fit` and `evaluate`, as a person calls them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from model.card import Card, write_card
from model.cli import main
from model.config import ModelConfig
from model.data_config import SimulationConfig
from model.domain import TRAITS, Domain
from model.movies import write_movie
from model.prediction.windows import Reading
from model.scene import typical_scene
from model.simulator import simulate_movie
from model.tables import read_table, write_thunderstorm
from model.unet import build_unet


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("network") / "small.keras"
    build_unet(ModelConfig(depth=1, base_filters=2, convolutions_per_block=1), [0.8, 0.1, 0.05, 0.05], seed=2).save(
        path
    )
    domain = Domain(np.random.default_rng(0).normal(100, 1, (30, len(TRAITS))))
    write_card(path, Card(Reading(3, "hard"), 20.0, 99.0, 0.6, 100.0, 0.3, domain))
    return path


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    scene = typical_scene(SimulationConfig(), 100.0, 1.0)
    made = simulate_movie(scene, frames=4, size_px=24, rng=np.random.default_rng(0))
    write_movie(tmp_path / "movie.tif", made.frames, 100.0)
    write_thunderstorm(tmp_path / "truth.csv", made.emitters, 100.0)
    return tmp_path / "movie.tif"


def test_a_prediction_leaves_map_tables_picture_and_journal(network: Path, movie: Path, tmp_path: Path) -> None:
    done = call("predict", movie, "--model", network, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert "OUT OF DOMAIN" in done.stdout
    names = {path.name for path in (tmp_path / "out").iterdir()}
    endings = ("counts.ome.tif", "thunderstorm.csv", "picasso.hdf5", "picasso.yaml", "png", "prediction.json")
    assert names == {f"movie.{ending}" for ending in endings}


def test_one_object_is_printed_for_each_movie_and_a_bad_one_stops_nothing(
    network: Path, movie: Path, tmp_path: Path
) -> None:
    (tmp_path / "bad.tif").write_text("no movie")
    done = call("predict", tmp_path / "bad.tif", movie, "--model", network, "--out", tmp_path / "out", "--json")
    assert done.exit_code == 2
    bad, good = map(json.loads, done.stdout.splitlines())
    assert "is not a TIFF file" in bad["error"]
    assert good["frames"] == 4
    assert good["domain"]["out_of_domain"] is True


def test_a_pixel_size_that_nobody_tells_is_asked_for(network: Path, movie: Path, tmp_path: Path) -> None:
    import tifffile

    tifffile.imwrite(tmp_path / "bare.tif", tifffile.imread(movie), photometric="minisblack")
    done = call("predict", tmp_path / "bare.tif", "--model", network, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "--pixel-nm" in done.stderr
    told = call("predict", tmp_path / "bare.tif", "--model", network, "--out", tmp_path / "out", "--pixel-nm", "200")
    assert told.exit_code == 0
    x_nm = read_table(tmp_path / "out/bare.thunderstorm.csv").x_nm
    assert 24 * 100 < x_nm.max() <= 24 * 200


def test_more_views_make_the_map_of_a_mirrored_movie_the_mirrored_map(
    network: Path, movie: Path, tmp_path: Path
) -> None:
    import tifffile

    mirrored = tmp_path / "mirrored.tif"
    write_movie(mirrored, tifffile.imread(movie)[:, ::-1], 100.0)

    def differ(views: int) -> float:
        done = call("predict", movie, mirrored, "--model", network, "--views", views, "--out", tmp_path / "out")
        assert done.exit_code == 0, done.output
        here, there = (tifffile.imread(tmp_path / f"out/{name}.counts.ome.tif") for name in ("movie", "mirrored"))
        return float(np.abs(here - there[..., ::-1, :]).max())

    assert differ(1) > 1e-3
    assert differ(8) < 1e-5


def test_two_movies_of_one_name_are_refused_before_anything_is_done(network: Path, movie: Path, tmp_path: Path) -> None:
    done = call("predict", movie, tmp_path / "movie.dax", "--model", network, "--out", tmp_path / "out")
    assert done.exit_code == 2
    assert "would both be written" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_network_is_a_sentence(movie: Path) -> None:
    done = call("predict", movie, "--model", "absent.keras")
    assert (done.exit_code, done.exception.__class__) == (2, SystemExit)
    assert "there is no network absent.keras" in done.stderr


def test_a_fit_writes_tables_with_uncertainties_beside_the_prediction(
    network: Path, movie: Path, tmp_path: Path
) -> None:
    done = call("fit", movie, "--model", network, "--out", tmp_path / "out", "--sigma-px", "1.1", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    fitted = read_table(tmp_path / "out/movie.fit.picasso.hdf5")
    assert len(fitted.frame) == told["localisations"] > 0
    assert told["uncertainty_nm"] > 0
    header = (tmp_path / "out/movie.fit.thunderstorm.csv").read_text().splitlines()[0]
    assert '"uncertainty [nm]"' in header
    assert (tmp_path / "out/movie.thunderstorm.csv").is_file()


def test_an_evaluation_of_a_movie_prints_scores_beside_their_controls(
    network: Path, movie: Path, tmp_path: Path
) -> None:
    done = call("evaluate", movie, tmp_path / "truth.csv", "--model", network, "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert all(rule in done.stdout for rule in ("matched_250", "shuffled_100", "lattice_250", "uncurated_250"))
    assert "matched_250" in json.loads((tmp_path / "out/scores.json").read_text())
    assert (tmp_path / "out/overlay.png").read_bytes().startswith(b"\x89PNG")


def test_a_movie_without_its_truth_cannot_be_evaluated(network: Path, movie: Path) -> None:
    done = call("evaluate", movie, "--model", network)
    assert done.exit_code == 2
    assert "give both a movie and the table" in done.stderr
