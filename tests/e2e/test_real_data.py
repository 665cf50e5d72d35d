"""A real movie with its real localisation table goes the same way as simulated data."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.installation import TINY, Installation

pytestmark = pytest.mark.timeout(600)

TWO_CELLS = {
    "experimental": "optimizer.learning_rate: {values: [0.001, 0.003]}",
    "mixed": "data.mix: {values: [0.25, 0.75]}",
}


def write_space(folder: Path, data: Path, source: str, movie: str = "images.tif") -> Path:
    path = folder / f"{source}.yaml"
    path.write_text(
        f"name: {source}\nbase:{TINY.format(steps=4, epochs=2)}"
        f"  data.source: {source}\n"
        f"  data.movie: {data / 'locan' / movie}\n"
        f"  data.table: {data / 'locan' / 'rapidSTORM_from_images.txt'}\n"
        "  data.pixel_nm: 133\n"
        f"metric: {{name: val_f1}}\nparameters:\n  {TWO_CELLS[source]}\n"
    )
    return path


@pytest.mark.parametrize("source", ["experimental", "mixed"])
def test_a_sweep_on_a_real_movie_completes(
    installation: Installation, tmp_path: Path, test_data: Path, source: str
) -> None:
    ran = installation.call("run", str(write_space(tmp_path, test_data, source)))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 of 2 runs have one accepted result." in ran.stdout
    scores = installation.json("report", source)["leaderboard"][0]["metrics"]
    assert 0 <= scores["val_f1"] <= 1
    assert ("test_f1" in scores) == (source == "mixed")


def test_the_same_movie_in_another_folder_is_not_trained_again(
    installation: Installation, tmp_path: Path, test_data: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "locan").symlink_to(test_data / "locan")
    planned = installation.json("plan", str(write_space(tmp_path, tmp_path / "elsewhere", "experimental")))
    assert (planned["runs"], planned["new"], planned["finished"]) == (2, 0, 2)


def test_a_movie_that_is_not_there_is_refused_before_anything_is_queued(
    installation: Installation, tmp_path: Path, test_data: Path
) -> None:
    space = write_space(tmp_path, test_data, "experimental", movie="lost.tif")
    space.write_text(space.read_text().replace("name: experimental", "name: lost"))
    answer = installation.call("submit", str(space))
    assert answer.returncode == 2
    assert "lost.tif does not exist" in answer.stderr
    assert "lost" not in installation.ledger.sweeps()
