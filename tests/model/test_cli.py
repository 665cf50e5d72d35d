"""The `model` command, as a person and as the orchestrator call it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result

from model.cli import main
from model.config import resolve
from model.movies import open_movie
from model.tables import read_table


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_check_of_the_real_movie_prints_one_json_object(test_data: Path) -> None:
    movie, table = test_data / "locan/images.tif", test_data / "locan/rapidSTORM_from_images.txt"
    words = ["--movie", movie, "--table", table, "--pixel-nm", "133", "--frames", "3", "--json"]
    done = subprocess.run([sys.executable, "-m", "model", "check", *words], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert len(found.pop("digest")) == 64
    assert (found["frames"], found["localisations"], found["overlap"]) == (5, 12, 4)
    assert done.stderr == ""


def test_what_is_refused_is_a_json_object_and_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no movie")
    done = call("check", "--movie", tmp_path / "text.tif", "--table", tmp_path / "none.csv", "--json")
    assert done.exit_code == 2
    sentence = json.loads(done.stdout)["error"]
    assert "is not a TIFF file" in sentence
    assert done.stderr == f"Error: {sentence}\n"


def test_a_simulated_movie_and_its_truth_pass_the_check(tmp_path: Path) -> None:
    movie, truth = tmp_path / "sim.tif", tmp_path / "sim.csv"
    made = call("simulate", movie, "--frames", 6, "--size", 20, "--density", 2, "--pixel-nm", 110, "--json")
    assert made.exit_code == 0, made.output
    with open_movie(movie) as opened:
        assert opened.shape == (6, 20, 20)
        assert opened.pixel_nm == pytest.approx(110, rel=1e-4)
    checked = call("check", "--movie", movie, "--table", truth, "--pixel-nm", 110, "--json")
    found = json.loads(checked.stdout)
    assert found["overlap"] == found["localisations"] == json.loads(made.stdout)["emitters"]
    assert found["notes"] == []
    assert (read_table(truth).photons > 0).all()


def test_the_same_seed_gives_the_same_files(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        call("simulate", tmp_path / f"{name}.tif", "--frames", 2, "--size", 12, "--density", 5, "--seed", seed)
    for kind in ("tif", "csv", "hdf5"):
        a, b, c = ((tmp_path / f"{name}.{kind}").read_bytes() for name in "abc")
        assert a == b != c


def test_a_movie_is_not_written_where_its_truth_would_overwrite_it(tmp_path: Path) -> None:
    done = call("simulate", tmp_path / "sim.csv", "--frames", 1)
    assert done.exit_code == 2
    assert "does not end with .tif" in done.stderr
    assert not (tmp_path / "sim.csv").exists()


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    done = call("simulate", tmp_path / "nowhere" / "sim.tif", "--frames", 1, "--size", 4)
    assert done.exit_code == 2
    assert "nowhere" in done.stderr


@pytest.mark.parametrize("command", ["check", "inspect", "match", "simulate"])
def test_help_teaches_by_example(command: str) -> None:
    assert f"model {command} " in call(command, "--help").stdout


def test_both_densities_are_told_and_stand_in_the_movie(tmp_path: Path) -> None:
    words = ["--frames", 20, "--size", 64, "--density", 3, "--structure", "filaments", "--json"]
    told = json.loads(call("simulate", tmp_path / "a.tif", *words).stdout)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        held = json.loads(file.imagej_metadata["Info"])
    for name in ("density_per_um2", "local_density_per_um2"):
        assert held[name] == told[name]
    assert told["density_per_um2"] == pytest.approx(told["emitters"] / 20 / 6.4**2, abs=1e-3)
    assert told["local_density_per_um2"] > 1.5 * told["density_per_um2"]
    assert held["simulation.structure"] == "filaments"


def test_every_hyperparameter_of_the_simulation_can_be_set(tmp_path: Path) -> None:
    deep = ["--set", "simulation.psf=astigmatic", "--set", "simulation.z_range_nm=600", "--density", 4]
    done = call("simulate", tmp_path / "a.tif", *deep, "--frames", 3, "--size", 32)
    assert done.exit_code == 0, done.stderr
    for name in ("a.csv", "a.hdf5"):
        depth = read_table(tmp_path / name).z_nm
        assert 300 < np.abs(depth).max() <= 600
    refused = call("simulate", tmp_path / "a.tif", "--set", "simulation.halo=1")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "simulation.halo" in refused.stderr


def test_a_movie_is_matched_and_its_settings_make_another_like_it(tmp_path: Path) -> None:
    call("simulate", tmp_path / "a.tif", "--size", 64, "--density", 1, "--background", 40, "--camera", "scmos")
    done = call("match", tmp_path / "a.tif", "--out", tmp_path / "a.json", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["camera"] == "scmos"
    settings = json.loads((tmp_path / "a.json").read_text())
    assert resolve(settings).simulation.camera == "scmos"
    again = call("simulate", tmp_path / "b.tif", "--config", tmp_path / "a.json", "--density", 1)
    assert again.exit_code == 0, again.stderr
    medians = [float(np.median(tifffile.imread(tmp_path / f"{name}.tif"))) for name in "ab"]
    assert medians[1] == pytest.approx(medians[0], rel=0.1)
    assert call("match", tmp_path / "a.tif", "--out", tmp_path / "a.yaml").exit_code == 0
    assert "  simulation.camera: scmos" in (tmp_path / "a.yaml").read_text()
    assert "neither .json nor .yaml" in call("match", tmp_path / "a.tif", "--out", tmp_path / "a.txt").stderr


def test_what_is_in_a_movie_is_told(tmp_path: Path) -> None:
    frames = np.arange(6 * 8 * 10, dtype=np.uint16).reshape(6, 8, 10)
    tifffile.imwrite(tmp_path / "a.tif", frames, metadata={"axes": "ZYX"}, photometric="minisblack")
    told = json.loads(call("inspect", tmp_path / "a.tif", "--json").stdout)
    assert (told["axes"], told["frames"], told["height"], told["width"], told["dtype"]) == ("ZYX", 6, 8, 10, "uint16")
    assert told["percentiles"]["50"] == pytest.approx(239.5)
    assert told["pixel_nm"] is None
    assert "does not know its pixel size" in told["notes"][0]
    text = call("inspect", tmp_path / "a.tif").stdout
    assert "axes" in text
    assert "uint16" in text


@pytest.mark.parametrize(
    ("frames", "note"),
    [
        (np.full((3, 8, 8), 5, np.uint16), "constant"),
        (np.random.default_rng(0).normal(size=(3, 8, 8)).astype(np.float32), "floating pixels"),
        (np.random.default_rng(0).integers(0, 9, (1, 8, 8)).astype(np.uint8), "single frame"),
        (np.where(np.arange(192).reshape(3, 8, 8) % 9 == 0, 255, 4).astype(np.uint8), "saturated"),
    ],
)
def test_what_is_odd_about_a_movie_is_noted(frames: np.ndarray, note: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", frames, photometric="minisblack")
    assert note in " ".join(json.loads(call("inspect", tmp_path / "a.tif", "--json").stdout)["notes"])


def test_what_is_in_a_table_is_told(test_data: Path) -> None:
    told = json.loads(call("inspect", test_data / "localisation-tables" / "ThunderSTORM_TS3D.csv", "--json").stdout)
    assert told["localisations"] == 11_195
    assert told["medians"]["photons"] > 1000
    picasso = json.loads(call("inspect", test_data / "picasso" / "testdata_locs.hdf5", "--json").stdout)
    assert picasso["pixel_nm"] == 130


def test_every_movie_and_table_of_other_projects_is_told_or_refused_in_a_line(test_data: Path) -> None:
    kinds = {".tif", ".dax", ".raw", ".csv", ".hdf5", ".h5", ".txt"}
    for path in sorted(path for path in test_data.rglob("*") if path.suffix in kinds):
        done = call("inspect", path, "--json")
        assert done.exit_code in {0, 2}, path
        assert (done.exit_code == 0) or done.stderr.count("\n") == 1
        assert (done.exit_code == 0) or path.name in {"test_olist.txt", "LICENSE.txt"}


def _bad_files(folder: Path) -> list[Path]:
    noise = np.random.default_rng(0).integers(0, 999, (12, 40, 40)).astype(np.uint16)
    tifffile.imwrite(folder / "whole.tif", noise, photometric="minisblack")
    content = (folder / "whole.tif").read_bytes()
    (folder / "truncated.tif").write_bytes(content[: len(content) // 2])
    (folder / "corrupt.tif").write_bytes(bytes(8) + content[8:])
    (folder / "empty.tif").touch()
    (folder / "text.tif").write_text("no movie")
    tifffile.imwrite(folder / "constant.tif", np.full_like(noise, 9), photometric="minisblack")
    tifffile.imwrite(folder / "nan.tif", np.full(noise.shape, np.nan, np.float32), photometric="minisblack")
    tifffile.imwrite(folder / "rgb.tif", np.zeros((40, 40, 3), np.uint8), photometric="rgb")
    tifffile.imwrite(folder / "one.tif", noise[0])
    return [*sorted(folder.glob("*.tif")), folder / "missing.tif", folder]


@pytest.mark.parametrize("command", ["inspect", "match", "check"])
def test_no_bad_file_gives_more_than_a_line(command: str, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("frame,x [nm],y [nm]\n1,500,500\n12,700,700\n")
    for path in _bad_files(tmp_path):
        words = {"inspect": [path], "match": [path, "--pixel-nm", 100], "check": ["--movie", path, "--table", table]}
        done = call(command, *words[command])
        assert done.exit_code in {0, 2}, (path, done.output, done.exception)
        if done.exit_code == 2:
            assert done.stderr.startswith("Error: ")
            assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("frame,x [nm],y [nm]\n", "no localisations"),
        ("frame,x [nm]\n1,2\n", "no column 'y'"),
        ("frame,x [nm],y [nm]\n1,two,3\n", "cannot be read"),
        ("frame,x [nm],y [nm]\n1,nan,3\n", "not a number"),
        ("frame,x [nm],y [nm]\n1,2,3,4\n", "names 3 columns but holds 4|cannot be read"),
        ("frame,x [nm],y [nm]\n99,500,500\n", "does not overlap"),
        ("frame,x [nm],y [nm]\n0,500,500\n", "counts from 1"),
        ("frame,x [px],y [px]\n1,5,5\n", "expected nm"),
    ],
)
def test_a_table_that_does_not_fit_is_refused_with_the_reason(text: str, reason: str, tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "m.tif", np.zeros((12, 40, 40), np.uint16), photometric="minisblack")
    (tmp_path / "t.csv").write_text(text)
    done = call("check", "--movie", tmp_path / "m.tif", "--table", tmp_path / "t.csv")
    assert done.exit_code == 2
    assert re.search(reason, done.stderr), done.stderr
    assert done.stderr.count("\n") == 1
