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
def daemon(
    ledger: Ledger, leases: Leases, launcher: FakeLauncher, address: str, monkeypatch: pytest.MonkeyPatch
) -> Daemon:
    """The pause after a failure ends only where a test ends it."""
    monkeypatch.setattr("orchestrator.balancer.reports._FIRST_BACKOFF_S", 60.0)
    return new_daemon(ledger, leases, launcher, address)
