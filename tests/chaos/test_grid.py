"""Sixty runs of three sizes over eight GPUs, where nothing goes wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.redis_door import connect
from orchestrator.states import RunState
from tests.chaos import promises
from tests.chaos.machine import Machine
from tests.chaos.plans import Plan
from tests.driver.stand_in import Fleet

RUNS = {f"r{number:02}": (24_000, 16_000, 30_000)[number % 3] for number in range(60)}
GPUS = 8


@pytest.fixture(scope="module")
def grid(address: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The machine after all is done."""
    redis = connect(address)
    redis.flushall()
    folder: Path = tmp_path_factory.mktemp("grid")
    machine = Machine(Fleet.create(folder / "driver", gpus=GPUS), redis, address, folder / "home")
    try:
        for mib in sorted(set(RUNS.values())):
            names = [name for name, need in RUNS.items() if need == mib]
            machine.submit(*names, mib=mib, plan=Plan(mib, seconds=0.4, lingers_s=0.3))
        machine.balance()
        machine.completes(within_s=120.0)
        yield machine
    finally:
        machine.close()


def test_a_grid_of_sixty_runs_completes_and_each_is_accepted_once(grid: Machine) -> None:
    assert Counter(run.state for run in grid.runs()) == {RunState.FINISHED: 60}
    assert Counter(run for run, _ in grid.said_finished()) == dict.fromkeys(RUNS, 1)
    assert {run.attempts for run in grid.runs()} == {1}


def test_no_run_dies_of_a_neighbour_and_no_gpu_is_promised_twice(grid: Machine) -> None:
    assert grid.deaths() == []
    promises.kept_by(grid)


def test_several_runs_share_a_gpu_and_every_gpu_has_some(grid: Machine) -> None:
    most = {device["name"]: device["workers"] for device in grid.snapshots.seen[-1]["devices"]}
    for seen in grid.snapshots.seen:
        for device in seen["devices"]:
            most[device["name"]] = max(most[device["name"]], device["workers"])
    assert len(most) == GPUS
    assert min(most.values()) >= 2


def test_each_worker_sees_the_one_gpu_of_its_lease(grid: Machine) -> None:
    leased = {grant.worker.worker_id: grant.worker.device for grant in grid.launcher.grants}
    assert {(found["worker"], found["visible"], found["order"]) for found in grid.taken()} == {
        (worker_id, device, "PCI_BUS_ID") for worker_id, device in leased.items() if worker_id in served(grid)
    }


def served(grid: Machine) -> set[str]:
    return {found["worker"] for found in grid.taken()}


def test_a_warm_worker_takes_one_run_after_the_other(grid: Machine) -> None:
    assert len(served(grid)) < len(RUNS)
