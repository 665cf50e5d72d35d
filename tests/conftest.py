"""Real parts for every test: a Redis, an MLflow server, and third parties' data where they are at hand."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import hypothesis
import pytest

from orchestrator.addresses import mlflow_url, redis_url
from orchestrator.balancer.leases import Leases
from orchestrator.experiment import Experiments
from orchestrator.ledger import Ledger
from orchestrator.redis_door import Redis, connect
from orchestrator.services import MLFLOW, REDIS, Services
from orchestrator.settings import Settings

_BESIDE_THE_CHECKOUT = Path(__file__).parents[2] / "shared" / "data"
_MLFLOW_START_S = 240


def pytest_configure() -> None:
    if "HDSMLM_TEST_DATA" not in os.environ and _BESIDE_THE_CHECKOUT.is_dir():
        os.environ["HDSMLM_TEST_DATA"] = str(_BESIDE_THE_CHECKOUT)
    hypothesis.settings.register_profile("unhurried", deadline=None)
    hypothesis.settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Folder of movies and tables that other projects made."""
    folder = os.environ.get("HDSMLM_TEST_DATA")
    if not folder:
        pytest.skip("third parties' data is not here; set HDSMLM_TEST_DATA to its folder")
    return Path(folder)


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Home folder of the services that all tests share."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def services(home: Path) -> Iterator[Services]:
    """An installation with a real Redis."""
    services = Services(Settings(home=home))
    services._start_redis()
    yield services
    for name in (MLFLOW, REDIS):
        services.stop(name)


@pytest.fixture(scope="session")
def address(services: Services, home: Path) -> str:
    """Address of the shared Redis."""
    return redis_url(Settings(home=home))


@pytest.fixture
def redis(address: str) -> Iterator[Redis]:
    """The shared Redis, empty."""
    client = connect(address)
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis)


@pytest.fixture
def leases(redis: Redis) -> Leases:
    return Leases(redis)


@pytest.fixture(scope="session")
def experiments(services: Services, home: Path) -> Experiments:
    """A real MLflow server."""
    services._start_mlflow()
    experiments = Experiments(mlflow_url(replace(Settings(), home=home)))
    deadline = time.monotonic() + _MLFLOW_START_S
    while not experiments.answers():
        assert time.monotonic() < deadline, services.log(MLFLOW).read_text()
        time.sleep(0.2)
    return experiments
