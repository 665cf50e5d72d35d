"""Launchers of each kind. A new one joins as one more parameter of `new_launcher`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.balancer.launchers.containers import DockerLauncher
from orchestrator.balancer.launchers.port import Launcher
from orchestrator.balancer.launchers.process import ProcessLauncher
from orchestrator.redis_door import Redis
from orchestrator.settings import ContainerSettings
from orchestrator.transport import Transport
from tests.chaos.machine import GHOST, ghosts_of
from tests.contracts.house import House, NewLauncher
from tests.driver.numbering import numbering
from tests.driver.stand_in import Fleet
from tests.engine import ROOT, control_image

BUILDS_AN_IMAGE = pytest.mark.timeout(900)
"""The first test that needs one waits for it."""


@pytest.fixture(params=["process", pytest.param("docker", marks=BUILDS_AN_IMAGE)])
def new_launcher(request: pytest.FixtureRequest, tmp_path: Path, address: str) -> Iterator[NewLauncher]:
    """Makes launchers of one kind."""
    fleet = Fleet.create(tmp_path / "driver", gpus=1)

    def processes(home: Path, *, broken: bool = False) -> Launcher:
        command = [str(tmp_path / "there" / "is" / "no" / "such" / "program")] if broken else GHOST
        return ProcessLauncher(home, ghosts_of(fleet, home, address), threads=1, command=command)

    def containers(home: Path, *, broken: bool = False) -> Launcher:
        environment = {**ghosts_of(fleet, home, address), "PYTHONPATH": str(ROOT)}
        settings = ghosts_in_containers(tmp_path)
        settings = replace(settings, image="hdsmlm/there-is-none") if broken else settings
        return DockerLauncher(home, environment, settings, threads=1, command=["python3", *GHOST[1:]])

    kinds: dict[str, NewLauncher] = {"process": processes, "docker": containers}
    with numbering(fleet.folder):
        yield kinds[request.param]


def ghosts_in_containers(folder: Path) -> ContainerSettings:
    """Containers that have the checkout, and what the tests share, where the host has it."""
    return ContainerSettings(
        image=control_image(),
        network="none",
        folders=(str(folder.parent), f"{ROOT}:ro"),
        user="0:0",
        ram_mib=512,
    )


@pytest.fixture
def house(new_launcher: NewLauncher, tmp_path: Path, redis: Redis, address: str) -> Iterator[House]:
    """A launcher of an installation without workers; those that a test leaves are ended."""
    transport = Transport(type(redis).from_url(address))
    house = House(new_launcher, tmp_path / "home", Fleet(tmp_path / "driver"), redis, transport)
    yield house
    while alive := house.launcher.alive():
        for worker_id in alive:
            house.launcher.kill(worker_id)
        time.sleep(0.01)
