"""Workers, balancers and Redis that die, fall silent or come twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from orchestrator.addresses import redis_url
from orchestrator.balancer.answers.status import SNAPSHOT, judged
from orchestrator.redis_door import connect
from orchestrator.services import REDIS, Services
from orchestrator.settings import Settings
from orchestrator.states import RunState
from tests.chaos import promises
from tests.chaos.conftest import Build
from tests.chaos.machine import Machine, ghosts_of
from tests.chaos.plans import Plan
from tests.driver.stand_in import Fleet
from worker.spec import FailureClass

Begin = Callable[[Machine], subprocess.Popen[bytes]]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Starts a balancer in a process of its own."""
    begun: list[subprocess.Popen[bytes]] = []

    def begin(machine: Machine) -> subprocess.Popen[bytes]:
        pace = {"HDSMLM_TICK_S": "0.1", "HDSMLM_IDLE_WORKER_S": "0.5", "GHOST_PACE": "fast", "HDSMLM_DEVICES": "gpu"}
        environment = {**os.environ, **pace, **ghosts_of(machine.fleet, machine.home, machine.address)}
        command = [sys.executable, "-m", "tests.chaos.balancer_process"]
        begun.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE))
        return begun[-1]

    yield begin
    for process in begun:
        process.terminate()
        process.communicate()


def test_a_worker_whose_heart_stops_while_it_trains_is_replaced(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.balancer.departures.HEARTBEAT_TTL_S", 0.5)
    machine = build(gpus=1)
    machine.submit("a", mib=16_000, plan=Plan(16_000, seconds=4.0, ends="silent", bad_attempts=1))
    machine.submit("b", mib=15_000, sweep="others", plan=Plan(15_000, seconds=1.0))
    machine.balance()
    machine.eventually(lambda: machine.run("a").failures == {FailureClass.INFRA: 1})
    assert "no heartbeat" in machine.run("a").message
    silent = machine.taken("a")[0]["worker"]
    machine.eventually(lambda: silent not in {one.worker_id for one in machine.launcher.alive().values()})
    machine.completes()
    machine.completes("others")
    assert machine.run("a").attempts == 2
    assert machine.run("b").attempts == 1


def test_a_poison_run_stops_after_three_workers_and_closes_no_gpu_by_itself(build: Build) -> None:
    machine = build(gpus=1)
    machine.submit("poison", mib=16_000, plan=Plan(16_000, seconds=2.0, ends="dies"))
    machine.balance()
    machine.comes_to_rest()
    poison = machine.run("poison")
    assert (poison.state, poison.failures) == (RunState.FAILED, {FailureClass.INFRA: 3})
    machine.submit("a", "b", mib=15_000, sweep="others")
    machine.completes("others")
    assert machine.closures.quarantined() == {}
    assert len(machine.taken("poison")) == 3


def test_a_balancer_that_is_killed_leaves_its_runs_going_and_the_next_one_adopts_them(
    build: Build, begin: Begin
) -> None:
    machine = build(gpus=2)
    machine.submit(*"abcdefgh", mib=24_000, plan=Plan(24_000, seconds=1.5))
    first = begin(machine)
    machine.eventually(lambda: len(machine.running()) >= 2)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    begin(machine)
    machine.completes()
    assert len(machine.taken()) == len(machine.said_finished()) == 8
    assert {run.attempts for run in machine.runs()} == {1}
    assert machine.deaths() == []


def test_a_second_balancer_of_one_home_refuses_and_the_first_goes_on(build: Build, begin: Begin) -> None:
    machine = build(gpus=1)
    machine.submit("a", "b", mib=24_000, plan=Plan(24_000, seconds=0.5))
    first = begin(machine)
    machine.eventually(lambda: machine.snapshots.seen)
    second = begin(machine)
    _, said = second.communicate(timeout=30)
    assert second.returncode == 1
    assert b"another balancer is running" in said
    machine.completes()
    assert first.poll() is None
    assert machine.snapshots.seen[-1]["pid"] == first.pid


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Services]:
    """A Redis that a test may kill."""
    services = Services(Settings(home=tmp_path / "home"))
    services._start_redis()
    yield services
    services.stop(REDIS)


def test_redis_that_is_killed_and_started_again_in_the_middle_loses_no_run(
    own_redis: Services, begin: Begin, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    address = redis_url(replace(Settings(), home=home))
    fleet = Fleet.create(tmp_path / "driver", gpus=2)
    machine = Machine(fleet, connect(address), address, home)
    try:
        machine.submit(*"abcdefgh", mib=24_000, plan=Plan(24_000, seconds=1.0))
        begin(machine)
        machine.eventually(lambda: len(machine.running()) >= 2)
        found = own_redis.find(REDIS)
        assert found is not None
        psutil.Process(found.pid).kill()
        machine.eventually(lambda: own_redis.find(REDIS) is None)
        own_redis._start_redis()
        machine.completes()
        assert {run.state for run in machine.runs()} == {RunState.FINISHED}
        assert judged(machine.redis.get(SNAPSHOT))["up"]
    finally:
        machine.close()
    promises.kept_by(machine)
