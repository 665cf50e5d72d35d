"""Drivers that hang, crash, are replaced, repeat themselves or miscount, while runs are under way."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.chaos.conftest import Build
from tests.chaos.machine import Machine
from tests.chaos.plans import Plan
from tests.driver.stand_in import Fleet

MEMORY = "nvmlDeviceGetMemoryInfo_v2"
OUTAGE_S = 0.6
ALONE_MIB = 40_000
"""Two of such runs do not fit a GPU."""
BESIDE_MIB = 6000
"""Such a run fits beside one of those."""


@dataclass(frozen=True)
class Trouble:
    """What happens to the driver, and how it ends."""

    begin: Callable[[Fleet], None]
    end: Callable[[Fleet], None] = lambda fleet: fleet.heal()


TROUBLES = {
    "hangs": Trouble(lambda fleet: fleet.fault(MEMORY, hang=True)),
    "crashes in the middle of a call": Trouble(lambda fleet: fleet.fault(MEMORY, crash=True)),
    "is upgraded under way": Trouble(lambda fleet: fleet.begin_upgrade(), lambda fleet: fleet.finish_upgrade()),
    "answers nothing but errors": Trouble(lambda fleet: fleet.fault("*", code=999)),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_while_the_driver_is_away_runs_go_on_and_none_starts_and_then_all_goes_on(build: Build, trouble: str) -> None:
    machine = build(gpus=2)
    machine.submit("a", "b", mib=ALONE_MIB, plan=Plan(ALONE_MIB, seconds=3.0))
    machine.balance()
    machine.eventually(lambda: all(run.epoch for run in machine.runs()))
    TROUBLES[trouble].begin(machine.fleet)
    machine.eventually(lambda: all(machine.snapshots.now(gpu.uuid)["health"] != "ok" for gpu in machine.fleet.gpu))
    machine.submit("c", "d", mib=BESIDE_MIB, sweep="later")
    before = len(machine.launcher.grants)
    time.sleep(OUTAGE_S)
    assert len(machine.launcher.grants) == before
    TROUBLES[trouble].end(machine.fleet)
    machine.completes()
    machine.completes("later")
    assert {run.attempts for run in machine.runs_of_all()} == {1}


def test_a_driver_that_repeats_old_numbers_makes_no_gpu_be_promised_twice(build: Build) -> None:
    machine = build(gpus=2)
    for gpu in machine.fleet.gpu:
        gpu.freeze()
    machine.submit(*"abcdefgh", mib=24_000, plan=Plan(24_000, seconds=0.5, lingers_s=0.5))
    machine.balance()
    machine.completes()
    assert machine.deaths() == []
    assert {run.attempts for run in machine.runs()} == {1}


def test_readings_that_stood_still_while_memory_was_in_use_are_believed_again_when_they_move(build: Build) -> None:
    machine = build(gpus=1)
    (gpu,) = machine.fleet.gpu
    machine.submit("a", mib=ALONE_MIB, plan=Plan(ALONE_MIB, seconds=1.0))
    machine.balance()
    machine.eventually(lambda: machine.snapshots.now(gpu.uuid).get("observed_mib", 0) > ALONE_MIB)
    gpu.freeze()
    machine.completes()
    before = len(machine.launcher.grants)
    machine.submit("b", mib=ALONE_MIB + 1, sweep="later")
    time.sleep(OUTAGE_S)
    assert len(machine.launcher.grants) == before
    assert machine.run("b").state == "queued"
    gpu.thaw()
    machine.completes("later")
    assert machine.deaths() == []


def test_a_gpu_that_is_not_listed_any_more_is_not_used_until_it_is_back(build: Build) -> None:
    machine = build(gpus=3)
    gone = machine.fleet.gpu[1]
    machine.balance()
    gone.set_present(False)
    machine.eventually(lambda: machine.snapshots.now(gone.uuid).get("trouble"))
    machine.submit(*"abcd", mib=ALONE_MIB, plan=Plan(ALONE_MIB, seconds=0.5))
    machine.completes()
    assert {found["device"] for found in machine.taken()} == {machine.fleet.gpu[0].uuid, machine.fleet.gpu[2].uuid}
    gone.set_present(True)
    machine.eventually(lambda: machine.snapshots.now(gone.uuid)["health"] == "ok")
    machine.submit(*"efg", mib=ALONE_MIB, sweep="later", plan=Plan(ALONE_MIB, seconds=1.0))
    machine.completes("later")
    assert gone.uuid in {found["device"] for found in machine.taken()}


def test_a_count_that_shrinks_for_a_while_stops_no_run(build: Build) -> None:
    machine: Machine = build(gpus=2)
    machine.submit(*"abcd", mib=ALONE_MIB, plan=Plan(ALONE_MIB, seconds=1.0))
    machine.balance()
    machine.eventually(lambda: len(machine.running()) == 2)
    machine.fleet.set_count(0)
    time.sleep(OUTAGE_S)
    machine.fleet.set_count(None)
    machine.completes()
    assert {run.attempts for run in machine.runs()} == {1}
