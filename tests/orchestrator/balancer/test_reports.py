from __future__ import annotations

import pytest

from orchestrator.balancer.daemon import Daemon
from orchestrator.balancer.leases import Leases
from orchestrator.balancer.readings import Reading
from orchestrator.ledger import Ledger
from orchestrator.records import SweepPolicy
from orchestrator.states import RunState
from tests.orchestrator.balancer.daemons import new_daemon, steps, under_way
from tests.orchestrator.balancer.ghosts import FakeLauncher, FakeProbe
from tests.samples import submit
from worker.spec import FailureClass, ReportKind, report_stream


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


@pytest.mark.parametrize(
    ("failure", "signature", "shuns"),
    [
        (FailureClass.INFRA, "process ended by SIGSEGV", {"GPU-0"}),
        (FailureClass.INFRA, "DeviceError: InternalError at fit:1", {"GPU-0"}),
        (FailureClass.INFRA, "TrackingError at finish:1", set()),
        (FailureClass.TIMEOUT, "TimeLimitError at check:1", set()),
    ],
)
def test_only_what_may_be_the_gpus_fault_lets_a_run_try_another_one(
    daemon: Daemon, launcher: FakeLauncher, failure: FailureClass, signature: str, shuns: set[str]
) -> None:
    daemon.probe = FakeProbe((Reading("GPU-0", "H", 0.0, total_mib=80_000, free_mib=79_000),))
    submit(daemon.ledger, "a")
    ghost, run = under_way(daemon, launcher)
    ghost.say(ReportKind.FAILED, "a", run.token, failure=failure, signature=signature, message="boom")
    steps(daemon)
    again = daemon.ledger.run("a")
    assert (again.state, daemon.ledger.group(again).shuns) == (RunState.QUEUED, shuns)


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
