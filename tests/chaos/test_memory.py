"""Memory that is not where it should be: foreigners, workers that take more, later or nothing, and slow releases."""

from __future__ import annotations

import itertools
import math
import time
from dataclasses import replace

from orchestrator.balancer.experience import CONTEXT_MIB, Experience
from tests.chaos.conftest import Build
from tests.chaos.machine import RULES, Machine
from tests.chaos.plans import Plan
from tests.chaos.witnesses import Repeated
from worker.spec import FailureClass

GIB = 1024
NEGLIGIBLE_MIB = 64


def test_memory_of_our_own_runs_is_never_taken_for_a_foreigners(build: Build) -> None:
    machine = build(gpus=1, rules=replace(RULES, hold_s=60.0))
    machine.submit(*"abcdef", mib=24_000, plan=Plan(24_000, seconds=0.8))
    machine.balance()
    machine.completes()
    (gpu,) = machine.fleet.gpu
    seen: dict[float, int] = {}
    for device in machine.snapshots.of(gpu.uuid):
        seen[device["read_at"]] = max(device["foreign_mib"], seen.get(device["read_at"], 0))
    assert [pair for pair in itertools.pairwise(seen.values()) if min(pair) > NEGLIGIBLE_MIB] == []


def test_what_a_large_run_held_is_not_learned_as_the_overhead_of_the_small_one_that_follows(build: Build) -> None:
    machine = build(gpus=1, rules=replace(RULES, slots=1))
    machine.submit("large", mib=40_000, plan=Plan(40_000, seconds=0.5, lingers_s=0.5))
    machine.balance()
    machine.eventually(machine.running)
    machine.submit("small", mib=4000, plan=Plan(4000, seconds=1.5))
    machine.completes()
    (model,) = {device["model"] for device in machine.snapshots.seen[-1]["devices"]}
    assert Experience(machine.redis).overhead_mib(model) == CONTEXT_MIB
    assert machine.taken("small")[0]["worker"] == machine.taken("large")[0]["worker"]


def test_a_foreigner_that_takes_30_gib_in_a_second_is_given_way_to(build: Build) -> None:
    machine = build(gpus=2)
    gpu = machine.fleet.gpu[0]
    runs = [f"r{number}" for number in range(10)]
    machine.submit(*runs, mib=16_000, plan=Plan(16_000, seconds=4.0))
    machine.balance()
    machine.eventually(lambda: len(machine.running()) >= 4)
    for gib in range(1, 31):
        gpu.set_foreign(gib * GIB)
        time.sleep(1 / 30)
    machine.eventually(lambda: machine.snapshots.now(gpu.uuid)["foreign_mib"] >= 30 * GIB)
    known = time.time()
    machine.completes()
    assert max(leased_on(machine, gpu.uuid, since=known), default=0) + 30 * GIB <= gpu.total_mib
    assert {death["foreign_mib"] > 0 for death in machine.deaths()} <= {True}


def leased_on(machine: Machine, device_id: str, since: float) -> list[int]:
    """What was leased of a device at each start there."""
    grants = [grant for grant in machine.launcher.grants if grant.worker.device == device_id and grant.at > since]
    return [grant.leased_mib[device_id] for grant in grants]


def test_a_foreigner_that_comes_and_goes_harms_nobody(build: Build) -> None:
    machine = build(gpus=1)
    gpu = machine.fleet.gpu[0]
    gpu.set_foreign(30 * GIB)
    machine.balance()
    machine.eventually(lambda: machine.snapshots.now(gpu.uuid).get("foreign_mib", 0) >= 30 * GIB)
    phases = itertools.cycle([0] * 15 + [30 * GIB] * 15)
    foreigner = Repeated(lambda: gpu.set_foreign(next(phases)))
    machine.submit(*"abcdefgh", mib=12_000, plan=Plan(12_000, seconds=0.4))
    try:
        machine.completes()
    finally:
        foreigner.end()
    assert machine.deaths() == []
    assert {run.attempts for run in machine.runs()} == {1}


def test_a_worker_that_exceeds_its_lease_is_put_away_and_its_neighbours_go_on(build: Build) -> None:
    machine = build(gpus=1)
    machine.submit("greedy", mib=10_000, plan=Plan(10_000, seconds=3.0, overrun_mib=3000, bad_attempts=1))
    machine.submit("b", "c", mib=16_000, sweep="others", plan=Plan(16_000, seconds=1.5))
    machine.balance()
    machine.eventually(lambda: machine.run("greedy").failures == {FailureClass.OOM: 1})
    assert "of its lease of" in machine.run("greedy").message
    machine.completes()
    machine.completes("others")
    assert [(run.attempts, run.failures) for run in machine.runs("others")] == [(1, {}), (1, {})]
    assert machine.run("greedy").attempts == 2


def test_memory_that_is_taken_late_or_never_is_not_given_to_others(build: Build) -> None:
    machine = build(gpus=1)
    machine.submit("a", "b", "c", mib=30_000, plan=Plan(30_000, seconds=0.5, allocate_after_s=1.0))
    machine.submit("d", mib=30_000, sweep="never", plan=Plan(0, context_mib=0, seconds=1.5))
    machine.balance()
    machine.completes()
    machine.completes("never")
    assert machine.deaths() == []
    assert max(device["workers"] for device in machine.snapshots.of(machine.fleet.gpu[0].uuid)) == 2
    assert {run.attempts for run in machine.runs_of_all()} == {1}


def test_a_lease_counts_until_the_memory_of_its_dead_worker_is_seen_free(build: Build) -> None:
    machine = build(gpus=1)
    machine.undertaker.delay_s = 1.0
    machine.submit("a", mib=50_000, plan=Plan(50_000, seconds=2.0, ends="dies", bad_attempts=1))
    machine.balance()
    machine.eventually(lambda: machine.run("a").state == "queued" and machine.run("a").failures)
    machine.completes()
    first, second = machine.taken("a")
    ((_, freed),) = machine.undertaker.buried
    again = next(grant for grant in machine.launcher.grants if grant.worker.worker_id == second["worker"])
    assert first["worker"] != second["worker"]
    assert again.at > freed
    assert machine.deaths() == []
    assert "releasing" in {worker["state"] for seen in machine.snapshots.seen for worker in seen["workers"]}


def test_memory_that_never_comes_back_is_shown_as_foreign_and_the_rest_is_used(build: Build) -> None:
    machine = build(gpus=1)
    gpu = machine.fleet.gpu[0]
    machine.undertaker.delay_s = math.inf
    machine.submit("a", "b", "c", mib=20_000, plan=Plan(20_000, seconds=0.5))
    machine.submit("d", mib=22_000, sweep="dies", plan=Plan(22_000, seconds=2.0, ends="dies", bad_attempts=1))
    machine.balance()
    machine.completes()
    machine.completes("dies")
    machine.eventually(lambda: len(gpu.processes()) == 1)
    (left,) = (mib for mib in gpu.processes().values())
    machine.eventually(lambda: machine.snapshots.now(gpu.uuid)["foreign_mib"] >= left > 0)
    assert machine.deaths() == []
