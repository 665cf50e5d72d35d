from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.installation import Installation
from tests.e2e.installation import wait_for, write_space
from tests.engine import needs_engine


@pytest.fixture(scope="session")
def movies() -> Iterator[Path]:
    """A folder with a movie and its truth, which everybody may read."""
    with tempfile.TemporaryDirectory(prefix="hdsmlm-movies-") as folder:
        Path(folder).chmod(0o755)
        options = ["--frames", "40", "--size", "32", "--density", "2"]
        subprocess.run([sys.executable, "-m", "model", "simulate", f"{folder}/movie.tif", *options], check=True)
        yield Path(folder)


@pytest.fixture(scope="session")
def results() -> Iterator[Path]:
    """The folder into which the `model` command writes."""
    with tempfile.TemporaryDirectory(prefix="hdsmlm-results-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def installation(movies: Path, results: Path) -> Iterator[Installation]:
    """One installation for all of these tests, from nothing; afterwards nothing of it may be left."""
    needs_engine()
    folders = {"HDSMLM_DATA_FOLDER": str(movies), "HDSMLM_RESULTS_FOLDER": str(results)}
    installation = Installation(settings={"HDSMLM_IDLE_WORKER_S": "10", **folders})
    try:
        installation.up()
        yield installation
    finally:
        installation.compose("down", "--volumes", "--timeout", "60")
    assert installation.leftovers() == []


@pytest.fixture(scope="session")
def finished(installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search space of four runs that has come to its end."""
    space = write_space(tmp_path_factory.mktemp("spaces"), "finished", rates=2, seeds=2, epochs=3, steps=20)
    assert "4 new" in installation.submit(space)
    wait_for(installation.worker_ids)
    wait_for(lambda: installation.is_over(space.stem))
    wait_for(lambda: len(installation.accepted(space.stem)) == 4)
    return space


@pytest.fixture
def space(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A tiny sweep of four runs, named after the test."""
    name = request.node.name.removeprefix("test_").partition("[")[0].replace("_", "-")[:40]
    return write_space(tmp_path, name, rates=2, seeds=2, epochs=3, steps=20)
