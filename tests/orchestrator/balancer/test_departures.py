from __future__ import annotations

import time
from dataclasses import replace

from orchestrator.balancer.answers.status import read
from orchestrator.balancer.daemon import Daemon
from orchestrator.balancer.readings import Reading
from orchestrator.states import RunState
from tests.orchestrator.balancer.daemons import end_back_off, steps, under_way
from tests.orchestrator.balancer.ghosts import FakeLauncher, FakeProbe
from tests.samples import submit
from worker.spec import HEARTBEAT_TTL_S, FailureClass, heartbeat_key


def test_a_run_whose_worker_dies_is_queued_again_with_a_pause(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    ghost, _run = under_way(daemon, launcher)
    launcher.kill(ghost.worker.worker_id)
    daemon.step(0)
    again = daemon.ledger.run("a")
    assert (again.state, again.failures, again.token) == (RunState.QUEUED, {FailureClass.INFRA: 1}, "")
    assert again.not_before > time.time()
    assert daemon.leases.workers() == []


def test_a_worker_without_a_heartbeat_is_lost_even_if_its_process_lives(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    ghost, _ = under_way(daemon, launcher)
    daemon.ledger.redis.delete(heartbeat_key(ghost.worker.worker_id))
    daemon.ledger.redis.hset(f"hdsmlm:worker:{ghost.worker.worker_id}", "created_at", time.time() - HEARTBEAT_TTL_S - 1)
    daemon.step(0)
    assert daemon.ledger.run("a").state is RunState.QUEUED
    assert launcher.ghosts == {}


def test_a_run_that_has_taken_three_workers_down_stops(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    for _ in range(3):
        ghost, _ = under_way(daemon, launcher)
        launcher.kill(ghost.worker.worker_id)
        daemon.step(0)
        end_back_off(daemon, "a")
    assert daemon.ledger.run("a").state is RunState.FAILED


def test_a_worker_that_does_not_leave_in_time_is_killed(daemon: Daemon, launcher: FakeLauncher) -> None:
    daemon.departures = replace(daemon.departures, settings=replace(daemon.settings, stop_grace_s=0.0))
    submit(daemon.ledger, "a")
    under_way(daemon, launcher)
    daemon.ledger.mark_sweep("s", hold="1")
    steps(daemon, 3)
    assert launcher.ghosts == {}
    assert daemon.ledger.run("a").state is RunState.QUEUED


def test_a_worker_that_leaves_as_asked_is_no_failure_of_its_run(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    for _ in range(4):
        ghost, _ = under_way(daemon, launcher)
        daemon.ledger.mark_sweep("s", hold="1")
        steps(daemon)
        launcher.kill(ghost.worker.worker_id)
        steps(daemon)
        daemon.ledger.mark_sweep("s", hold="0")
    run = daemon.ledger.run("a")
    assert (run.failures, run.state.is_over) == ({}, False)


def test_workers_that_die_before_they_are_ready_pause_their_sweep(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    for _ in range(6):
        steps(daemon)
        launcher.ghosts.clear()
    steps(daemon)
    assert "3 workers in a row ended before they were ready" in daemon.ledger.sweep("s").paused
    assert launcher.ghosts == {}


def test_a_worker_that_does_not_begin_its_run_is_lost(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    steps(daemon)
    launcher.only().ready()
    steps(daemon)
    assert daemon.ledger.run("a").state is RunState.ASSIGNED
    daemon.ledger.note({"a": {"assigned_at": time.time() - 61}})
    steps(daemon)
    assert daemon.ledger.run("a").failures == {FailureClass.INFRA: 1}


def test_losses_in_a_row_of_different_runs_quarantine_a_gpu_and_resuming_lifts_that(
    daemon: Daemon, launcher: FakeLauncher, address: str
) -> None:
    daemon.probe = FakeProbe((Reading("GPU-0", "H", 0.0, 80_000, 80_000, slots=1, processes={}),))
    submit(daemon.ledger, "a", "b", "c", "d")
    for _ in range(3):
        steps(daemon, 3)
        launcher.only().ready()
        steps(daemon)
        launcher.ghosts.clear()
        steps(daemon)
        daemon.leases.end(daemon.leases.workers()[0].worker_id)
    steps(daemon)
    assert "3 losses in a row" in read(address)["devices"][0]["why"]
    assert launcher.ghosts == {}
    daemon.observer.closures.resume("GPU-0")
    steps(daemon, 3)
    assert launcher.ghosts != {}
    assert daemon.probe.forgiven == ("GPU-0",)  # type: ignore[attr-defined]
