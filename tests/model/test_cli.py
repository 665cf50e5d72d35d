"""The `model` command, as a person and as the orchestrator call it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from model.cli import main
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
    for kind in ("tif", "csv"):
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


@pytest.mark.parametrize("command", ["check", "simulate"])
def test_help_teaches_by_example(command: str) -> None:
    assert f"model {command} " in call(command, "--help").stdout
