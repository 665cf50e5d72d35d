from __future__ import annotations

import json
import time

import pytest

from orchestrator.balancer.answers.status import SNAPSHOT, read, render
from orchestrator.balancer.daemon import Daemon
from orchestrator.balancer.leases import Leases
from orchestrator.balancer.lock import only_one
from orchestrator.errors import ServiceError, SupersededError
from orchestrator.ledger import UNSETTLED, Ledger
from orchestrator.records import WorkerState
from orchestrator.redis_door import Redis
from orchestrator.states import RunState
from tests.orchestrator.balancer.daemons import ROOMY, new_daemon, orders, steps, under_way
from tests.orchestrator.balancer.ghosts import FakeLauncher
from tests.samples import submit
from worker.spec import Order, ReportKind, control_key


def test_a_submitted_run_is_leased_launched_assigned_and_ordered(
    daemon: Daemon, launcher: FakeLauncher, leases: Leases, address: str
) -> None:
    submit(daemon.ledger, "a")
    steps(daemon)
    ghost = launcher.only()
    assert leases.workers()[0].state is WorkerState.STARTING
    assert orders(address, ghost.worker.worker_id) == []
    ghost.ready()
    steps(daemon)
    run = daemon.ledger.run("a")
    assert (run.state, run.attempts, len(run.token)) == (RunState.ASSIGNED, 1, 16)
    assert orders(address, ghost.worker.worker_id) == [("worker.job.run_attempt", ["a", run.token])]


def test_the_lease_is_written_before_the_worker_is_launched(daemon: Daemon, launcher: FakeLauncher) -> None:
    seen = []
    launcher.start = lambda worker: seen.append(daemon.leases.workers()[0].worker_id == worker.worker_id)  # type: ignore[method-assign]
    submit(daemon.ledger, "a")
    daemon.step(0)
    assert seen == [True]


def test_a_result_is_accepted_and_the_warm_worker_gets_the_next_run(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a", "b")
    ghost, run = under_way(daemon, launcher)
    ghost.say(ReportKind.PROGRESS, "a", run.token, epoch=2, epochs=3, steps_per_s=7.5, metrics={"val_loss": 0.1})
    daemon.step(0)
    seen = daemon.ledger.run("a")
    assert (seen.epoch, seen.steps_per_s, seen.metrics) == (2, 7.5, {"val_loss": 0.1})
    ghost.say(ReportKind.FINISHED, "a", run.token, metrics={"val_f1": 0.9}, mlflow_run_id="m1")
    steps(daemon)
    done = daemon.ledger.run("a")
    assert (done.state, done.accepted_token, done.mlflow_run_id) == (RunState.FINISHED, run.token, "m1")
    assert daemon.ledger.run("b").state is RunState.ASSIGNED
    assert launcher.only() is ghost


def test_holding_a_sweep_orders_its_run_to_be_released_and_puts_it_back(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    ghost, run = under_way(daemon, launcher)
    daemon.ledger.mark_sweep("s", hold="1")
    steps(daemon)
    assert daemon.ledger.redis.get(control_key("a", run.token)) == Order.RELEASE
    assert ghost.asked_to_leave
    ghost.say(ReportKind.RELEASED, "a", run.token)
    steps(daemon)
    back = daemon.ledger.run("a")
    assert (back.state, back.failures) == (RunState.QUEUED, {})
    launcher.kill(ghost.worker.worker_id)
    steps(daemon)
    assert daemon.leases.workers() == []
    assert launcher.ghosts == {}


def test_an_order_is_delivered_again_where_the_balancer_died_before_it_was(
    daemon: Daemon, launcher: FakeLauncher, ledger: Ledger, leases: Leases, address: str
) -> None:
    submit(ledger, "a")
    steps(daemon)
    ghost = launcher.only()
    ghost.ready()
    daemon.transport.deliver = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)  # type: ignore[method-assign, misc]
    with pytest.raises(KeyboardInterrupt):
        steps(daemon)
    steps(new_daemon(ledger, leases, launcher, address))
    run = ledger.run("a")
    assert orders(address, ghost.worker.worker_id) == [("worker.job.run_attempt", ["a", run.token])]
    assert run.attempts == 1


def test_a_new_balancer_adopts_the_workers_of_the_last_one(
    daemon: Daemon, launcher: FakeLauncher, ledger: Ledger, leases: Leases, address: str
) -> None:
    submit(ledger, "a")
    ghost, run = under_way(daemon, launcher)
    heir = new_daemon(ledger, leases, launcher, address)
    assert heir.fencing_epoch == daemon.fencing_epoch + 1
    steps(heir)
    ghost.say(ReportKind.FINISHED, "a", run.token, mlflow_run_id="m1")
    steps(heir)
    assert ledger.run("a").state is RunState.FINISHED
    assert launcher.only() is ghost


def test_a_worker_of_ours_without_a_lease_is_put_away(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    steps(daemon)
    daemon.leases.end(launcher.only().worker.worker_id)
    daemon.ledger.move("a", RunState.CANCELLED)
    steps(daemon)
    assert launcher.ghosts == {}


def test_a_launch_that_fails_gives_its_lease_back(daemon: Daemon, launcher: FakeLauncher) -> None:
    launcher.fails = True
    submit(daemon.ledger, "a")
    daemon.step(0)
    assert [worker.state for worker in daemon.leases.workers()] == [WorkerState.RELEASING]
    daemon.ledger.mark_sweep("s", paused="by a person")
    daemon.step(0)
    assert daemon.leases.workers() == []
    assert daemon.ledger.run("a").state is RunState.QUEUED


def test_a_cancelled_run_is_told_to_stop_whatever_it_was_doing(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    ghost, run = under_way(daemon, launcher)
    daemon.ledger.move("a", RunState.CANCELLED)
    assert daemon.ledger.redis.get(control_key("a", run.token)) == Order.CANCEL
    ghost.say(ReportKind.RELEASED, "a", run.token)
    daemon.ledger.redis.delete(UNSETTLED)
    steps(daemon)
    assert daemon.ledger.run("a").state is RunState.CANCELLED
    assert daemon.ledger.redis.smembers(UNSETTLED) == {"a"}


def test_a_wake_up_ends_the_wait_for_reports(daemon: Daemon) -> None:
    submit(daemon.ledger, "a")
    began = time.monotonic()
    daemon.step(60)
    assert time.monotonic() - began < 30


def test_status_shows_the_snapshot_and_says_when_the_balancer_is_down(
    daemon: Daemon, launcher: FakeLauncher, address: str
) -> None:
    daemon.probe = ROOMY
    submit(daemon.ledger, "a", "b", "c")
    steps(daemon)
    for ghost in launcher.ghosts.values():
        ghost.ready()
    steps(daemon)
    seen = read(address)
    assert seen["up"]
    assert [device["leased_mib"] for device in seen["devices"]] == [1792 + 2048]
    assert {worker["run"] for worker in seen["workers"]} == {"a", "b"}
    assert seen["sweeps"][0]["queued"] == 1
    assert "slug-a" in render(seen)
    old = json.loads(daemon.ledger.redis.get(SNAPSHOT)) | {"at": time.time() - 60}
    daemon.ledger.redis.set(SNAPSHOT, json.dumps(old))
    assert "The balancer is down since" in render(read(address))


def test_status_without_a_balancer_tells_how_to_start_one(redis: Redis, address: str) -> None:
    assert "orchestrator up" in render(read(address))


def test_status_without_a_balancer_names_compose_where_that_keeps_one_running(
    redis: Redis, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HDSMLM_BALANCER", "elsewhere")
    assert "never run here; `docker compose up --wait` starts it" in render(read(address))


def test_two_balancers_of_one_installation_do_not_run_at_once(tmp_path) -> None:  # type: ignore[no-untyped-def]
    with only_one(tmp_path), pytest.raises(ServiceError, match="another balancer"), only_one(tmp_path):
        pass


def test_a_balancer_that_was_superseded_leaves_everything_alone(
    daemon: Daemon, launcher: FakeLauncher, ledger: Ledger, leases: Leases, address: str
) -> None:
    submit(ledger, "a")
    new_daemon(ledger, leases, launcher, address)
    with pytest.raises(SupersededError, match="started later"):
        daemon.step(0)
    assert launcher.ghosts == {}
