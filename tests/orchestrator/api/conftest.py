"""An installation with a sweep, a balancer that has seen a device, and an API before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from orchestrator.api.application import application
from orchestrator.backends.direct import Direct
from orchestrator.balancer.cli import cli as balancer
from orchestrator.balancer.daemon import Daemon
from orchestrator.cli import cli as orchestrator
from orchestrator.entry import run as run_command
from orchestrator.ledger import Ledger
from orchestrator.settings import Settings
from tests.orchestrator.api.calling import Call, Said
from tests.orchestrator.api.served import TOKEN, serving
from tests.orchestrator.balancer.daemons import under_way
from tests.orchestrator.balancer.ghosts import FakeLauncher
from tests.samples import submit


@pytest.fixture
def settings(address: str, tmp_path: Path) -> Settings:
    """Those of the machine of the services."""
    data = tmp_path / "data"
    data.mkdir()
    return Settings(home=tmp_path / "home", redis_url=address, data=data)


@pytest.fixture
def app(settings: Settings, ledger: Ledger) -> FastAPI:
    return application(Direct(settings), TOKEN)


@pytest.fixture
def inhabited(daemon: Daemon, launcher: FakeLauncher, settings: Settings) -> Ledger:
    """One run under way, which has printed something, one that waits, and one that failed."""
    submit(daemon.ledger, "3fa9c1e27b05d814", "b" * 16, "c" * 16, sweep="wolf")
    under_way(daemon, launcher, "3fa9c1e27b05d814")
    log = settings.home / "logs" / "runs" / "3fa9c1e27b05d814" / "token.log"
    log.parent.mkdir(parents=True)
    log.write_text("epoch 1/3\nloss 0.5 µ\n")
    return daemon.ledger


@pytest.fixture
def url(app: FastAPI) -> Iterator[str]:
    """Where the API is served by a real uvicorn."""
    with serving(app) as address:
        yield address


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    """Somebody with the token."""
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30) as client:
        yield client


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command with some environment, as a shell would see it."""

    def invoke(environment: dict[str, str], program: str, *arguments: str) -> Said:
        for name in ("HDSMLM_HOME", "HDSMLM_REDIS_URL", "HDSMLM_DATA", "ORCHESTRATOR_URL", "ORCHESTRATOR_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        command, prefix = (balancer, "balancer: ") if program == "balancer" else (orchestrator, "")
        with pytest.raises(SystemExit) as left:
            run_command(lambda: command(list(arguments), prog_name=program), prefix)
        return Said(left.value.code, *capsys.readouterr())

    return invoke


@pytest.fixture
def direct(call: Call, settings: Settings) -> Call:
    """A command on the machine of the services."""
    environment = {"HDSMLM_HOME": str(settings.home), "HDSMLM_REDIS_URL": settings.redis_url}
    environment |= {"HDSMLM_DATA": str(settings.data), "COLUMNS": "120"}
    return lambda *arguments: call(environment, *arguments)


@pytest.fixture
def remote(call: Call, url: str, tmp_path: Path) -> Call:
    """The same command on a machine that has an address and a token."""
    environment = {"HDSMLM_HOME": str(tmp_path / "laptop"), "ORCHESTRATOR_URL": url, "ORCHESTRATOR_TOKEN": TOKEN}
    return lambda *arguments: call(environment | {"COLUMNS": "120"}, *arguments)
