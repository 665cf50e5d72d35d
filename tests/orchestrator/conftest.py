"""A balancer that has not looked at anything yet."""

from __future__ import annotations

import pytest

from orchestrator.balancer.daemon import Daemon
from orchestrator.balancer.leases import Leases
from orchestrator.ledger import Ledger
from orchestrator.redis_door import Redis
from tests.orchestrator.balancer.daemons import new_daemon
from tests.orchestrator.balancer.ghosts import FakeLauncher


@pytest.fixture
def launcher(redis: Redis) -> FakeLauncher:
    return FakeLauncher(redis)


@pytest.fixture
def daemon(ledger: Ledger, leases: Leases, launcher: FakeLauncher, address: str) -> Daemon:
    return new_daemon(ledger, leases, launcher, address)
