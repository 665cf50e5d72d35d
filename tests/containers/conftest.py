from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.installation import Installation
from tests.e2e.installation import write_space
from tests.engine import needs_engine


@pytest.fixture(scope="session")
def installation() -> Iterator[Installation]:
    """One installation for all of these tests, from nothing; afterwards nothing of it may be left."""
    needs_engine()
    installation = Installation(settings={"HDSMLM_IDLE_WORKER_S": "10"})
    try:
        installation.up()
        yield installation
    finally:
        installation.compose("down", "--volumes", "--timeout", "60")
    assert installation.leftovers() == []


@pytest.fixture
def space(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """A tiny sweep of four runs, named after the test."""
    name = request.node.name.removeprefix("test_").partition("[")[0].replace("_", "-")[:40]
    return write_space(tmp_path, name, rates=2, seeds=2, epochs=3, steps=20)
