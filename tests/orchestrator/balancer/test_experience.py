from __future__ import annotations

import json
import time
from dataclasses import replace

from orchestrator.balancer.answers.status import SNAPSHOT
from orchestrator.balancer.daemon import Daemon
from orchestrator.balancer.readings import Reading
from orchestrator.records import WorkerState
from orchestrator.states import RunState
from tests.orchestrator.balancer.daemons import ROOMY, end_back_off, steps, under_way
from tests.orchestrator.balancer.ghosts import FakeLauncher, FakeProbe, Ghost
from tests.samples import run_spec, submit, sweep_fields
from worker.spec import FailureClass, ReportKind


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


def test_running_out_of_memory_raises_the_footprint_for_the_next_attempt(
    daemon: Daemon, launcher: FakeLauncher
) -> None:
    submit(daemon.ledger, "a")
    ghost, run = under_way(daemon, launcher)
    ghost.say(ReportKind.FAILED, "a", run.token, failure=FailureClass.OOM, signature="oom", message="too small")
    daemon.step(0)
    assert daemon.ledger.run("a").state is RunState.QUEUED
    assert daemon.experience.of("signature-1000", "CPU").floor_mib == round(1.5 * ghost.worker.cap_mib)


def test_a_run_that_fits_nowhere_ends_as_infeasible_with_the_numbers(daemon: Daemon) -> None:
    daemon.ledger.submit("s", [run_spec("a", footprint_mib=99_000)], sweep_fields())
    daemon.step(0)
    run = daemon.ledger.run("a")
    assert run.state is RunState.INFEASIBLE
    assert "128700 MiB" in run.message


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
