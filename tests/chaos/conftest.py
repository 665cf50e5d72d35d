"""Machines of stand-in GPUs, on which what a balancer promises is checked at the end of every test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.balancer.accounting import Rules
from orchestrator.redis_door import Redis
from orchestrator.settings import BalancerSettings
from tests.chaos import promises
from tests.chaos.machine import RULES, SETTINGS, Machine
from tests.driver.stand_in import Fleet

Build = Callable[..., Machine]


@pytest.fixture
def build(redis: Redis, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Build]:
    """Builds a machine of so many GPUs; its balancer is started by the test."""
    monkeypatch.setattr("orchestrator.balancer.reports._FIRST_BACKOFF_S", 0.05)
    machines: list[Machine] = []

    def build(
        gpus: int = 2,
        personality: str = "data_centre",
        rules: Rules = RULES,
        settings: BalancerSettings = SETTINGS,
    ) -> Machine:
        fleet = Fleet.create(tmp_path / "driver", personality, gpus=gpus)
        machines.append(Machine(fleet, redis, address, tmp_path / "home", rules, settings))
        return machines[-1]

    yield build
    for machine in machines:
        machine.close()
    for machine in machines:
        promises.kept_by(machine)
