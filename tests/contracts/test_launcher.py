"""The port `Launcher`: what the balancer relies on, whichever launcher starts its workers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from orchestrator.errors import OrchestratorError
from tests.chaos.plans import FINISHED, TAKEN
from tests.contracts.house import House
from tests.driver.waiting import eventually
from worker.spec import heartbeat_key


def test_a_worker_is_started_under_its_id_and_with_the_device_of_its_lease(house: House) -> None:
    worker = house.started()
    assert set(house.launcher.alive()) == {worker.worker_id}
    assert house.redis.exists(heartbeat_key(worker.worker_id))
    house.trains(worker)
    taken = house.redis.lrange(TAKEN, 0, -1)
    assert len(taken) == 1
    assert f'"visible": "{worker.device}"' in taken[0]


def test_starting_an_id_again_has_no_effect(house: House) -> None:
    worker = house.started()
    before = house.launcher.alive()[worker.worker_id].pids
    house.launcher.start(worker)
    house.new(house.home).start(worker)
    time.sleep(0.2)
    assert house.launcher.alive()[worker.worker_id].pids == before
    assert house.new(house.home).alive().keys() == {worker.worker_id}


def test_a_new_launcher_of_the_installation_finds_its_workers_and_one_of_another_does_not(
    house: House, tmp_path: Path
) -> None:
    worker = house.started()
    assert set(house.new(house.home).alive()) == {worker.worker_id}
    assert set(house.new(tmp_path / "another home").alive()) == set()


def test_what_lives_tells_its_processes_as_the_driver_numbers_them_and_its_memory(house: House) -> None:
    worker = house.started()
    pid = house.trains(worker)
    for launcher in (house.launcher, house.new(house.home)):
        found = launcher.alive()[worker.worker_id]
        assert found.worker_id == worker.worker_id
        assert pid in found.pids
        assert len(found.pids) == len(set(found.pids))
        assert 5 < found.memory_mib < 500


def test_a_worker_that_is_asked_to_leave_finishes_its_run_first(house: House) -> None:
    worker = house.started()
    house.trains(worker, seconds=1.0)
    house.launcher.ask_to_leave(worker.worker_id)
    eventually(lambda: house.is_gone(worker))
    assert house.redis.llen(FINISHED) == 1


def test_an_idle_worker_that_is_asked_to_leave_does_so(house: House) -> None:
    worker = house.started()
    house.launcher.ask_to_leave(worker.worker_id)
    eventually(lambda: house.is_gone(worker))


@pytest.mark.parametrize("whose", ["its own", "a new one"])
def test_a_worker_that_is_killed_ends_with_its_run(house: House, whose: str) -> None:
    worker = house.started()
    pid = house.trains(worker)
    family = house.launcher.alive()[worker.worker_id].pids
    launcher = house.launcher if whose == "its own" else house.new(house.home)
    launcher.kill(worker.worker_id)
    eventually(lambda: house.is_gone(worker))
    eventually(lambda: not any(_lives(one) for one in {pid, *family}))
    assert house.redis.llen(FINISHED) == 0


def test_what_is_gone_or_was_never_there_can_be_asked_to_leave_and_killed(house: House) -> None:
    worker = house.started()
    house.launcher.kill(worker.worker_id)
    for worker_id in (worker.worker_id, "12345678"):
        house.launcher.ask_to_leave(worker_id)
        house.launcher.kill(worker_id)
    eventually(lambda: house.is_gone(worker))
    for worker_id in (worker.worker_id, "12345678"):
        house.launcher.ask_to_leave(worker_id)
        house.launcher.kill(worker_id)


def test_a_worker_that_died_by_itself_is_not_among_those_that_live(house: House) -> None:
    worker = house.started()
    for pid in house.launcher.alive()[worker.worker_id].pids:
        with suppress(psutil.NoSuchProcess):  # it went with the one before
            psutil.Process(pid).kill()
    eventually(lambda: house.is_gone(worker))
    assert house.new(house.home).alive() == {}


@pytest.fixture
def stranger() -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a process that is not the balancer's, with any arguments."""
    begun: list[subprocess.Popen[bytes]] = []

    def stranger(*arguments: str) -> subprocess.Popen[bytes]:
        begun.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", *arguments]))
        return begun[-1]

    yield stranger
    for process in begun:
        process.kill()
        process.wait()


def test_a_process_that_is_not_its_own_is_never_touched_whatever_it_is_called(
    house: House, stranger: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    worker = house.started()
    home, another = str(house.home), str(tmp_path / "another home")
    others = [
        stranger("--id", worker.worker_id),
        stranger("--installation", another, "--id", worker.worker_id),
        stranger("--installation", home, "--id", worker.worker_id, "--verbose"),
        stranger(f"--installation {home} --id {worker.worker_id}"),
        stranger("worker", worker.worker_id, f"hdsmlm-{worker.worker_id}"),
    ]
    again = house.new(house.home)
    assert set(again.alive()) == {worker.worker_id}
    assert not {process.pid for process in others} & set(again.alive()[worker.worker_id].pids)
    for launcher in (again, house.launcher):
        launcher.ask_to_leave(worker.worker_id)
        launcher.kill(worker.worker_id)
    eventually(lambda: house.is_gone(worker))
    assert [process.poll() for process in others] == [None] * len(others)


def test_a_launch_that_cannot_succeed_raises_and_leaves_nothing(house: House) -> None:
    broken, worker = house.new(house.home, broken=True), house.worker()
    with pytest.raises((OrchestratorError, OSError)):
        broken.start(worker)
    assert broken.alive() == {}
    assert house.new(house.home).alive() == {}


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE and os.getpid() != pid
    except psutil.NoSuchProcess:
        return False
