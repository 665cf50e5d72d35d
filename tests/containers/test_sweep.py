"""`docker compose up`, submit, and what a person sees then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.registry import find_network
from tests.containers.installation import Installation
from tests.e2e.installation import wait_for


def test_a_sweep_that_is_submitted_completes_in_containers_of_workers(
    installation: Installation, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = finished.stem
    assert installation.status(sweep)["finished"] == 4
    assert len(set(installation.accepted(sweep))) == len(installation.accepted(sweep)) == 4
    assert "4 of 4 runs have one accepted result" in installation.call("orchestrator", "report", sweep)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", installation.experiments.url)
    told = json.loads(installation.call("orchestrator", "report", sweep, "--promote", "--json"))["promoted"]
    assert (told["version"], told["mlflow"]) == (1, installation.experiments.url)
    assert find_network(told["uri"]).stat().st_size > 0


def test_a_movie_in_the_data_folder_is_trained_on(installation: Installation, space: Path) -> None:
    real = "  data.source: experimental\n  data.movie: movie.tif\n  data.table: movie.csv\n  data.pixel_nm: 100\n"
    space.write_text(space.read_text().replace("base:\n", f"base:\n{real}"))
    assert "4 new" in installation.submit(space)
    wait_for(lambda: installation.is_over(space.stem))
    assert installation.status(space.stem)["finished"] == 4


def test_a_movie_outside_the_data_folder_is_refused(installation: Installation, space: Path) -> None:
    space.write_text(space.read_text().replace("base:\n", "base:\n  data.source: mixed\n  data.movie: /etc/passwd\n"))
    assert "expected a path inside the data folder" in installation.refused(space)


def test_the_network_of_a_finished_run_finds_emitters_in_a_movie(
    installation: Installation, results: Path, finished: Path
) -> None:
    runs = json.loads(installation.call("orchestrator", "status", finished.stem, "--runs", "--json"))["details"]
    movie = ("/data/movie.tif", "--pixel-nm", "100", "--model", f"runs:/{runs[0]['mlflow_run_id']}")
    assert "localisations in 40 frames" in installation.compose("run", "--rm", "-T", "model", "predict", *movie)
    table = results / "predictions" / "movie.thunderstorm.csv"
    assert table.stat().st_uid == results.stat().st_uid


def test_submitting_a_file_again_queues_nothing(installation: Installation, finished: Path) -> None:
    assert installation.submit(finished).strip() == f"{finished.stem}: 4 runs: nothing new, 4 finished"
    assert installation.is_over(finished.stem)


def test_what_ships_can_be_planned_where_it_is_submitted_from(installation: Installation) -> None:
    for name in ("quickstart", "wolf"):
        assert "runs" in installation.call("orchestrator", "plan", f"/search_spaces/{name}.yaml", "--json")


def test_the_doctor_finds_everything_well(installation: Installation) -> None:
    found = installation.compose("exec", "-T", "balancer", "orchestrator", "doctor")
    assert "WRONG" not in found
    assert found.count("well") == 6


def test_what_a_run_printed_can_be_read(installation: Installation, finished: Path) -> None:
    seen = json.loads(installation.call("orchestrator", "status", finished.stem, "--runs", "--json"))
    for run in seen["details"]:
        assert "finished:" in installation.call("orchestrator", "logs", run["run"])


def test_no_worker_without_work_is_kept(installation: Installation) -> None:
    wait_for(lambda: not installation.workers(), patience_s=90)
