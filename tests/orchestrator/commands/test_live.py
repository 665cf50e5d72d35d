"""What following a sweep shows, from a real ledger and a balancer that is stepped by hand."""

from __future__ import annotations

import pytest

from orchestrator.backends.direct import Direct
from orchestrator.balancer.daemon import Daemon
from orchestrator.commands.live import Watch, line
from orchestrator.settings import Settings
from tests.orchestrator.balancer.daemons import steps, under_way
from tests.orchestrator.balancer.ghosts import FakeLauncher
from tests.samples import submit


@pytest.fixture
def backend(address: str) -> Direct:
    return Direct(Settings(redis_url=address))


def shown(backend: Direct, sweep: str) -> str:
    return line(Watch(backend, sweep).look())


def test_a_sweep_whose_worker_starts_says_so(daemon: Daemon, backend: Direct) -> None:
    submit(daemon.ledger, "a")
    assert "waits: no balancer is up yet" in shown(backend, "s")
    steps(daemon)
    assert "1 worker starting" in shown(backend, "s")


def test_a_sweep_that_waits_for_another_one_says_what_for(
    daemon: Daemon, launcher: FakeLauncher, backend: Direct
) -> None:
    submit(daemon.ledger, "a")
    under_way(daemon, launcher)
    submit(daemon.ledger, "b", sweep="later")
    steps(daemon)
    assert "its one slot is taken" in shown(backend, "later")
    assert "waits" not in shown(backend, "s")


def test_a_paused_sweep_says_why_and_nothing_else(daemon: Daemon, backend: Direct) -> None:
    submit(daemon.ledger, "a")
    daemon.ledger.mark_sweep("s", paused="2 runs failed alike")
    steps(daemon)
    assert "PAUSED: 2 runs failed alike; `orchestrator resume s` goes on" in shown(backend, "s")
    assert "waits" not in shown(backend, "s")
