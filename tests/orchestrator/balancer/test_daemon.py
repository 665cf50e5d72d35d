from __future__ import annotations

import json
import time
from dataclasses import replace

import pytest
from rq import Queue
from rq.serializers import JSONSerializer

from orchestrator.balancer.daemon import Daemon
from orchestrator.balancer.leases import Leases
from orchestrator.balancer.lock import only_one
from orchestrator.balancer.readings import Reading
from orchestrator.balancer.snapshot import SNAPSHOT
from orchestrator.balancer.status import read, render
from orchestrator.errors import ServiceError, SupersededError
from orchestrator.ledger import UNSETTLED, Ledger
from orchestrator.records import Run, SweepPolicy, WorkerState
from orchestrator.redis_door import Redis, connect
from orchestrator.settings import BalancerSettings
from orchestrator.states import RunState
from orchestrator.transport import Transport
from tests.orchestrator.balancer.ghosts import FakeLauncher, FakeProbe, Ghost
from tests.samples import run_spec, submit, sweep_fields
from worker.spec import (
    HEARTBEAT_TTL_S,
    FailureClass,
    Order,
    ReportKind,
    control_key,
    heartbeat_key,
    queue_name,
    report_stream,
)

ROOMY = FakeProbe((Reading("cpu", "CPU", 0.0, total_mib=16_000, free_mib=15_000, slots=2),))


@pytest.fixture
def launcher(redis: Redis) -> FakeLauncher:
    return FakeLauncher(redis)


@pytest.fixture
def daemon(ledger: Ledger, leases: Leases, launcher: FakeLauncher, address: str) -> Daemon:
    return new_daemon(ledger, leases, launcher, address)


def new_daemon(ledger: Ledger, leases: Leases, launcher: FakeLauncher, address: str) -> Daemon:
    transport = Transport(connect(address, decode=False))
    daemon = Daemon(ledger, leases, transport, FakeProbe(), launcher, BalancerSettings())
    daemon.losses = replace(daemon.losses, began=0.0)
    daemon.fencing_epoch = leases.next_fencing_epoch()
    return daemon


def steps(daemon: Daemon, count: int = 2) -> None:
    for _ in range(count):
        daemon.step(0)


def under_way(daemon: Daemon, launcher: FakeLauncher, run_id: str = "a") -> tuple[Ghost, Run]:
    """Bring the first worker up and its run to `running`."""
    steps(daemon)
    ghost = launcher.only()
    ghost.ready()
    steps(daemon)
    run = daemon.ledger.run(run_id)
    ghost.say(ReportKind.STARTED, run_id, run.token, epochs=3)
    steps(daemon)
    assert daemon.ledger.run(run_id).state is RunState.RUNNING
    return ghost, run


def end_back_off(daemon: Daemon, run_id: str) -> None:
    daemon.ledger.redis.zadd("hdsmlm:delayed", {run_id: 0})


def orders(address: str, worker_id: str) -> list[tuple[str, list[str]]]:
    queue = Queue(queue_name(worker_id), connection=connect(address, decode=False), serializer=JSONSerializer)
    return [(job.func_name, list(job.args)) for job in queue.jobs]


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


def test_a_pace_is_entered_with_the_next_look_around_and_never_takes_an_epoch_back(
    daemon: Daemon, launcher: FakeLauncher
) -> None:
    submit(daemon.ledger, "a")
    ghost, run = under_way(daemon, launcher)
    ghost.link.tell_pace(run_id="a", token=run.token, epoch=1, epochs=3, steps_per_s=7.5, peak_mib=900)
    steps(daemon)
    seen = daemon.ledger.run("a")
    assert (seen.epoch, seen.epochs, seen.steps_per_s, seen.peak_mib) == (1, 3, 7.5, 900)
    ghost.say(ReportKind.PROGRESS, "a", run.token, epoch=2, epochs=3, metrics={"val_loss": 0.1}, peak_mib=950)
    steps(daemon)
    assert (daemon.ledger.run("a").epoch, daemon.ledger.run("a").peak_mib) == (2, 950)


def test_the_pace_of_an_attempt_that_was_given_up_is_not_entered(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    ghost, _run = under_way(daemon, launcher)
    ghost.link.tell_pace(run_id="a", token="0123456789abcdef", epoch=2, epochs=3, steps_per_s=7.5)
    steps(daemon)
    assert (daemon.ledger.run("a").epoch, daemon.ledger.run("a").steps_per_s) == (0, 0.0)


def test_memory_counts_as_of_the_present_run_once_that_has_begun_and_the_last_ones_process_is_gone(
    daemon: Daemon, launcher: FakeLauncher
) -> None:
    probe = FakeProbe((Reading("GPU-0", "H", 0.0, 80_000, 79_000, slots=1, processes={7: 1000}),))
    daemon.probe = probe
    submit(daemon.ledger, "a", "b")
    steps(daemon)
    ghost = launcher.only()
    ghost.pids = (7,)
    ghost.ready()
    steps(daemon)
    assert not is_measured(daemon), "its run has not begun"
    begin(daemon, ghost, "a")
    assert is_measured(daemon)
    ghost.say(ReportKind.FINISHED, "a", daemon.ledger.run("a").token, mlflow_run_id="m1")
    steps(daemon)
    ghost.pids = (8,)
    begin(daemon, ghost, "b")
    assert not is_measured(daemon), "the driver lists the last run's process still"
    probe.devices = (replace(probe.devices[0], processes={8: 900}),)
    steps(daemon)
    assert is_measured(daemon)


def begin(daemon: Daemon, ghost: Ghost, run_id: str) -> None:
    ghost.say(ReportKind.STARTED, run_id, daemon.ledger.run(run_id).token, epochs=3)
    steps(daemon)


def is_measured(daemon: Daemon) -> bool:
    (worker,) = json.loads(daemon.ledger.redis.get(SNAPSHOT))["workers"]
    return bool(worker["measured"])


def test_a_result_that_comes_twice_or_from_a_lost_attempt_is_not_accepted(
    daemon: Daemon, launcher: FakeLauncher
) -> None:
    submit(daemon.ledger, "a")
    ghost, run = under_way(daemon, launcher)
    ghost.say(ReportKind.FINISHED, "a", "0123456789abcdef", metrics={"val_f1": 0.1}, mlflow_run_id="stale")
    ghost.say(ReportKind.FINISHED, "a", run.token, metrics={"val_f1": 0.9}, mlflow_run_id="m1")
    ghost.say(ReportKind.FINISHED, "a", run.token, metrics={"val_f1": 0.2}, mlflow_run_id="again")
    daemon.step(0)
    done = daemon.ledger.run("a")
    assert (done.mlflow_run_id, done.metrics) == ("m1", {"val_f1": 0.9})


def test_a_run_whose_worker_dies_is_queued_again_with_a_pause(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    ghost, _run = under_way(daemon, launcher)
    launcher.kill(ghost.worker.worker_id)
    daemon.step(0)
    again = daemon.ledger.run("a")
    assert (again.state, again.failures, again.token) == (RunState.QUEUED, {FailureClass.INFRA: 1}, "")
    assert again.not_before > time.time()
    assert daemon.leases.workers() == []


def test_a_result_said_just_before_death_counts(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    ghost, run = under_way(daemon, launcher)
    alive = launcher.alive

    def die_after_the_reports_were_read() -> dict[str, object]:
        ghost.say(ReportKind.FINISHED, "a", run.token, mlflow_run_id="m1")
        launcher.kill(ghost.worker.worker_id)
        launcher.alive = alive  # type: ignore[method-assign]
        return {}

    launcher.alive = die_after_the_reports_were_read  # type: ignore[method-assign, assignment]
    daemon.step(0)
    assert daemon.ledger.run("a").state is RunState.FINISHED


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


def test_a_failure_of_the_users_is_not_retried_and_alike_ones_pause_the_sweep(
    daemon: Daemon, launcher: FakeLauncher
) -> None:
    submit(daemon.ledger, "a", "b", "c", policy=SweepPolicy(same_failure=2))
    for run_id in ("a", "b"):
        ghost, run = under_way(daemon, launcher, run_id)
        ghost.say(
            ReportKind.FAILED,
            run_id,
            run.token,
            failure=FailureClass.USER,
            signature="ValueError at fit:1",
            message="boom",
        )
        steps(daemon)
    assert daemon.ledger.run("a").message == "boom"
    assert daemon.ledger.counts("s")[RunState.FAILED] == 2
    assert daemon.ledger.sweep("s").paused == "2 runs failed alike: ValueError at fit:1"
    assert daemon.ledger.run("c").state is RunState.QUEUED


def test_running_out_of_memory_raises_the_footprint_for_the_next_attempt(
    daemon: Daemon, launcher: FakeLauncher
) -> None:
    submit(daemon.ledger, "a")
    ghost, run = under_way(daemon, launcher)
    ghost.say(ReportKind.FAILED, "a", run.token, failure=FailureClass.OOM, signature="oom", message="too small")
    daemon.step(0)
    assert daemon.ledger.run("a").state is RunState.QUEUED
    assert daemon.experience.of("signature-1000", "CPU").floor_mib == round(1.5 * ghost.worker.cap_mib)


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


def test_a_run_that_fits_nowhere_ends_as_infeasible_with_the_numbers(daemon: Daemon) -> None:
    daemon.ledger.submit("s", [run_spec("a", footprint_mib=99_000)], sweep_fields())
    daemon.step(0)
    run = daemon.ledger.run("a")
    assert run.state is RunState.INFEASIBLE
    assert "123750 MiB" in run.message


def test_a_worker_that_does_not_leave_in_time_is_killed(daemon: Daemon, launcher: FakeLauncher) -> None:
    daemon.losses = replace(daemon.losses, settings=replace(daemon.settings, stop_grace_s=0.0))
    submit(daemon.ledger, "a")
    under_way(daemon, launcher)
    daemon.ledger.mark_sweep("s", hold="1")
    steps(daemon, 3)
    assert launcher.ghosts == {}
    assert daemon.ledger.run("a").state is RunState.QUEUED


def test_a_report_that_cannot_be_read_is_dropped_and_the_others_count(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    ghost, run = under_way(daemon, launcher)
    ghost.say(ReportKind.PROGRESS, "a", run.token, metrics={"val_loss": float("nan")})
    daemon.ledger.redis.xadd(report_stream(ghost.worker.worker_id), {"nonsense": "1"})
    ghost.say(ReportKind.FINISHED, "a", run.token, mlflow_run_id="m1")
    steps(daemon)
    assert daemon.ledger.run("a").state is RunState.FINISHED


def test_a_report_without_a_token_moves_nothing(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    ghost, _ = under_way(daemon, launcher)
    ghost.say(ReportKind.FINISHED, "a", "", mlflow_run_id="m1")
    steps(daemon)
    assert daemon.ledger.run("a").state is RunState.RUNNING


def test_hundreds_of_unread_reports_do_not_hide_the_result_of_a_dead_worker(
    daemon: Daemon, launcher: FakeLauncher, ledger: Ledger, leases: Leases, address: str
) -> None:
    submit(ledger, "a")
    ghost, run = under_way(daemon, launcher)
    for epoch in range(450):
        ghost.say(ReportKind.PROGRESS, "a", run.token, epoch=epoch)
    ghost.say(ReportKind.FINISHED, "a", run.token, mlflow_run_id="m1")
    launcher.kill(ghost.worker.worker_id)
    steps(new_daemon(ledger, leases, launcher, address))
    assert ledger.run("a").state is RunState.FINISHED


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
    assert [device["leased_mib"] for device in seen["devices"]] == [1728 + 1984]
    assert {worker["run"] for worker in seen["workers"]} == {"a", "b"}
    assert seen["sweeps"][0]["queued"] == 1
    assert "slug-a" in render(seen)
    old = json.loads(daemon.ledger.redis.get(SNAPSHOT)) | {"at": time.time() - 60}
    daemon.ledger.redis.set(SNAPSHOT, json.dumps(old))
    assert "The balancer is down since" in render(read(address))


def test_status_without_a_balancer_tells_how_to_start_one(redis: Redis, address: str) -> None:
    assert "orchestrator up" in render(read(address))


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


def test_a_run_that_goes_over_its_cap_gets_more_then_a_device_to_itself_and_then_is_infeasible(
    daemon: Daemon, launcher: FakeLauncher
) -> None:
    daemon.probe = ROOMY
    submit(daemon.ledger, "a")
    caps = []
    for _ in range(3):
        ghost, run = under_way(daemon, launcher)
        caps.append(ghost.worker.cap_mib)
        ghost.say(
            ReportKind.FAILED, "a", run.token, failure=FailureClass.OOM, signature="oom", message="14000 MiB held"
        )
        steps(daemon)
        launcher.kill(ghost.worker.worker_id)
        steps(daemon)
        end_back_off(daemon, "a")
    assert caps[0] < caps[1] < caps[2] == 16_000 - 1000 - 256 - 450
    run = daemon.ledger.run("a")
    assert run.state is RunState.INFEASIBLE
    assert run.message == "had a device to itself and yet too little memory: 14000 MiB held"


def test_what_the_first_run_of_a_signature_held_is_what_the_next_one_is_given(
    daemon: Daemon, launcher: FakeLauncher
) -> None:
    submit(daemon.ledger, "a", "b")
    ghost, run = under_way(daemon, launcher)
    assert ghost.worker.cap_mib >= 1250
    ghost.say(ReportKind.FINISHED, "a", run.token, peak_mib=700, metrics={"val_f1": 0.9}, mlflow_run_id="m1")
    launcher.kill(ghost.worker.worker_id)
    steps(daemon, 3)
    learned = daemon.experience.of("signature-1000", "CPU")
    assert (learned.peak_mib, learned.finished) == (700, 1)
    daemon.observer.refresh({})
    (demand,) = daemon.observer.look([], daemon._world)[0].demands or [None]
    assert demand is None or demand.needs_mib == {"CPU": 792}


def test_the_memory_of_a_worker_that_is_gone_is_given_out_when_a_newer_reading_shows_it_free(
    daemon: Daemon, launcher: FakeLauncher
) -> None:
    stale = FakeProbe((Reading("GPU-0", "H", time.time(), 80_000, 80_000, processes={7: 1000}),), frozen=True)
    daemon.probe = stale
    submit(daemon.ledger, "a")
    steps(daemon)
    ghost = launcher.only()
    ghost.pids = (7,)
    ghost.ready()
    steps(daemon)
    launcher.kill(ghost.worker.worker_id)
    daemon.ledger.mark_sweep("s", paused="by a person")
    steps(daemon, 3)
    assert [worker.state for worker in daemon.leases.workers()] == [WorkerState.RELEASING]
    stale.devices = (replace(stale.devices[0], at=time.time()),)
    steps(daemon)
    assert [worker.state for worker in daemon.leases.workers()] == [WorkerState.RELEASING], "its process still holds"
    stale.devices = (replace(stale.devices[0], at=time.time(), processes={}),)
    steps(daemon)
    assert daemon.leases.workers() == []


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
