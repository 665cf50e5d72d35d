"""GPUs that fail, are split, are shared in another way, or are closed: the others go on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from tests.chaos.conftest import Build
from tests.chaos.machine import Machine
from tests.chaos.plans import Plan
from tests.chaos.witnesses import Grant
from tests.driver.stand_in import Fleet

NOTICED_WITHIN_POLLS = 2 * 5
"""The goal is 5 s where the driver is asked once a second; here a busy machine has twice as many polls."""
FAULTS: dict[str, tuple[Callable[[Fleet], None], str]] = {
    "falls off the bus": (lambda fleet: fleet.gpu[0].lose(), "lost"),
    "has Xid 79": (lambda fleet: fleet.xid(0, 79), "Xid 79"),
    "has an uncorrectable ECC error": (lambda fleet: fleet.gpu[0].set_health(uncorrected_errors=1), "ECC"),
}


def names(count: int) -> list[str]:
    return [f"r{number}" for number in range(count)]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_gpu_that_fails_is_left_alone_its_runs_are_tried_elsewhere_and_the_others_go_on(
    build: Build, fault: str
) -> None:
    machine = build(gpus=4)
    gpu, others = machine.fleet.gpu[0], machine.fleet.gpu[1:]
    machine.submit(*names(10), mib=30_000, plan=Plan(30_000, seconds=1.0))
    machine.balance()
    machine.eventually(lambda: any(found["device"] == gpu.uuid for found in machine.taken()))
    fail, words = FAULTS[fault]
    polls = machine.probe.polls
    fail(machine.fleet)
    machine.curse(gpu)
    machine.eventually(lambda: machine.snapshots.now(gpu.uuid)["health"] == "trouble")
    assert machine.probe.polls - polls <= NOTICED_WITHIN_POLLS
    assert words in machine.snapshots.now(gpu.uuid)["why"]
    noticed_at = time.time()
    machine.completes()
    assert all(grant.worker.device != gpu.uuid for grant in machine.launcher.grants if grant.at > noticed_at)
    assert {device["trouble"] for other in others for device in machine.snapshots.of(other.uuid)} == {""}
    victims = {found["run"] for found in machine.taken() if found["device"] == gpu.uuid}
    assert {machine.taken(run)[-1]["device"] for run in victims} <= {other.uuid for other in others}


def test_where_the_driver_hides_the_memory_of_processes_one_run_ramps_at_a_time(build: Build) -> None:
    machine = build(gpus=1, personality="wsl2")
    machine.submit(*names(5), mib=2000, plan=Plan(2000, seconds=0.6))
    machine.balance()
    machine.completes()
    assert {grant.ramping for grant in machine.launcher.grants} == {0}
    assert {device["attributed"] for device in machine.snapshots.of(machine.fleet.gpu[0].uuid)} == {False}
    assert max(device["workers"] for device in machine.snapshots.of(machine.fleet.gpu[0].uuid)) >= 2
    assert machine.deaths() == []


def test_mig_instances_are_devices_of_their_own(build: Build) -> None:
    machine = build(gpus=1, personality="mig")
    machine.submit(*names(6), mib=4000, plan=Plan(4000, seconds=0.6))
    machine.balance()
    machine.completes()
    used = {found["visible"] for found in machine.taken()}
    assert used == {device.uuid for device in machine.fleet.devices}
    assert all(device_id.startswith("MIG-") for device_id in used)
    assert machine.deaths() == []


def test_a_gpu_in_exclusive_process_mode_gets_one_worker_and_its_neighbour_several(build: Build) -> None:
    machine = build(gpus=2)
    alone, shared = machine.fleet.gpu
    alone.set_health(compute_mode=3)
    machine.submit(*names(8), mib=15_000, plan=Plan(15_000, seconds=0.6))
    machine.balance()
    machine.completes()
    assert max(device["workers"] for device in machine.snapshots.of(alone.uuid)) == 1
    assert max(device["workers"] for device in machine.snapshots.of(shared.uuid)) > 1
    assert Counter(found["device"] for found in machine.taken())[alone.uuid] > 0


def test_a_gpu_whose_runs_keep_dying_is_quarantined_says_why_and_can_be_resumed(build: Build) -> None:
    machine = build(gpus=2)
    bad, good = machine.fleet.gpu
    machine.curse(bad)
    machine.submit(*names(6), mib=18_000, plan=Plan(18_000, seconds=1.7))
    machine.balance()
    machine.eventually(lambda: machine.snapshots.now(bad.uuid).get("quarantine"))
    assert "3 losses in a row" in machine.snapshots.now(bad.uuid)["why"]
    machine.completes()
    assert machine.snapshots.now(good.uuid)["health"] == "ok"
    machine.bless(bad)
    machine.closures.resume(bad.uuid)
    machine.ledger.wake()
    machine.eventually(lambda: machine.snapshots.now(bad.uuid)["health"] == "ok")
    machine.submit(*[f"more-{name}" for name in names(4)], mib=30_000, sweep="more", plan=Plan(30_000, seconds=0.5))
    machine.eventually(lambda: any(taken_on(machine, bad.uuid, prefix="more-")))
    machine.completes("more")


def test_a_run_whose_worker_died_on_one_gpu_is_tried_on_the_other_though_that_is_busier(build: Build) -> None:
    machine = build(gpus=2)
    bad, good = machine.fleet.gpu
    machine.curse(bad)
    machine.submit(*names(2), mib=18_000, plan=Plan(18_000, seconds=3.0))
    machine.balance()
    machine.completes()
    assert len(taken_on(machine, bad.uuid)) == 1
    assert len(taken_on(machine, good.uuid)) == 2
    assert machine.snapshots.now(bad.uuid)["health"] == "ok"


def taken_on(machine: Machine, device_id: str, prefix: str = "") -> list[str]:
    found = [found["run"] for found in machine.taken() if found["device"] == device_id]
    return [run for run in found if run.startswith(prefix)]


def test_a_drained_gpu_gives_its_runs_back_and_is_used_again_when_it_is_resumed(build: Build) -> None:
    machine = build(gpus=2)
    gpu = machine.fleet.gpu[0]
    machine.submit(*names(8), mib=30_000, plan=Plan(30_000, seconds=1.0))
    machine.balance()
    machine.eventually(lambda: any(on_it(machine, gpu.uuid, state="busy")))
    machine.closures.drain(gpu.uuid, release=True)
    machine.ledger.wake()
    machine.eventually(lambda: machine.snapshots.now(gpu.uuid)["health"] == "drained")
    drained_at = time.time()
    machine.eventually(lambda: "released" in {run.message for run in machine.runs()})
    machine.eventually(lambda: machine.snapshots.now(gpu.uuid)["workers"] == 0)
    assert [grant for grant in machine.launcher.grants if on_after(grant, gpu.uuid, drained_at)] == []
    machine.closures.resume(gpu.uuid)
    machine.ledger.wake()
    machine.eventually(lambda: any(on_after(grant, gpu.uuid, drained_at) for grant in machine.launcher.grants))
    machine.completes()
    assert {failure for run in machine.runs() for failure in run.failures} == set()


def on_it(machine: Machine, device_id: str, state: str) -> list[str]:
    workers = machine.snapshots.seen[-1]["workers"] if machine.snapshots.seen else []
    return [one["worker"] for one in workers if (one["device"], one["state"]) == (device_id, state)]


def on_after(grant: Grant, device_id: str, since: float) -> bool:
    return grant.worker.device == device_id and grant.at > since
