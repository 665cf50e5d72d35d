"""The port `Launcher`: what the balancer relies on, whichever launcher starts its workers.

A new launcher joins as one more parameter of `house`. Its workers are ghosts, told by Redis what to do.
"""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from orchestrator.balancer.launchers.containers import INSTALLATION, LEASE, DockerLauncher
from orchestrator.balancer.launchers.port import Launcher
from orchestrator.balancer.launchers.process import ProcessLauncher
from orchestrator.errors import OrchestratorError
from orchestrator.records import Worker, WorkerState
from orchestrator.redis_door import Redis
from orchestrator.settings import ContainerSettings
from orchestrator.transport import Transport
from tests.chaos.machine import GHOST, ghosts_of
from tests.chaos.plans import FINISHED, TAKEN, Plan, plan_key
from tests.driver.numbering import numbering
from tests.driver.stand_in import Fleet
from tests.driver.waiting import eventually
from tests.engine import ROOT, control_image, docker
from worker.spec import heartbeat_key, report_stream

PEAK_MIB = 4000


class NewLauncher(Protocol):
    """Makes a launcher as each new balancer of an installation would."""

    def __call__(self, home: Path, *, broken: bool = False) -> Launcher:
        """`broken`: no worker can be launched with it."""


@dataclass
class House:
    """A launcher, and what its workers need and leave."""

    new: NewLauncher
    home: Path
    fleet: Fleet
    redis: Redis
    transport: Transport
    launcher: Launcher = field(init=False)

    def __post_init__(self) -> None:
        self.launcher = self.new(self.home)

    def worker(self) -> Worker:
        """A lease on the first GPU."""
        return Worker(
            worker_id=secrets.token_hex(4),
            sweep="s",
            device=self.fleet.gpu[0].uuid,
            lease_mib=8000,
            cap_mib=6000,
            state=WorkerState.STARTING,
            created_at=time.time(),
        )

    def started(self) -> Worker:
        """A worker that has come up."""
        worker = self.worker()
        self.launcher.start(worker)
        eventually(lambda: self.redis.xlen(report_stream(worker.worker_id)) == 1)
        return worker

    def trains(self, worker: Worker, seconds: float = 60.0) -> int:
        """Let the worker begin a run; the pid of the run's process as the driver numbers it."""
        self.redis.set(plan_key("a"), Plan(PEAK_MIB, seconds=seconds).dump())
        self.transport.deliver(worker.worker_id, "a", "0123456789abcdef")
        eventually(self.fleet.gpu[0].processes)
        (pid,) = self.fleet.gpu[0].processes()
        return pid

    def is_gone(self, worker: Worker) -> bool:
        return worker.worker_id not in self.launcher.alive()


@pytest.fixture(params=["process", "docker"])
def new_launcher(request: pytest.FixtureRequest, tmp_path: Path, address: str) -> Iterator[NewLauncher]:
    """Makes launchers of one kind."""
    fleet = Fleet.create(tmp_path / "driver", gpus=1)

    def processes(home: Path, *, broken: bool = False) -> Launcher:
        command = [str(tmp_path / "there" / "is" / "no" / "such" / "program")] if broken else GHOST
        return ProcessLauncher(home, ghosts_of(fleet, home, address), threads=1, command=command)

    def containers(home: Path, *, broken: bool = False) -> Launcher:
        environment = {**ghosts_of(fleet, home, address), "PYTHONPATH": str(ROOT)}
        settings = ghosts_in_containers(tmp_path)
        settings = replace(settings, image="hdsmlm/there-is-none") if broken else settings
        return DockerLauncher(home, environment, settings, threads=1, command=["python3", *GHOST[1:]])

    kinds: dict[str, NewLauncher] = {"process": processes, "docker": containers}
    with numbering(fleet.folder):
        yield kinds[request.param]


def ghosts_in_containers(folder: Path) -> ContainerSettings:
    """Containers that have the checkout, and what the tests share, where the host has it."""
    return ContainerSettings(
        image=control_image(),
        network="none",
        folders=(str(folder.parent), f"{ROOT}:ro"),
        user="0:0",
        ram_mib=512,
    )


@pytest.fixture
def house(new_launcher: NewLauncher, tmp_path: Path, redis: Redis, address: str) -> Iterator[House]:
    """A launcher of an installation without workers; those that a test leaves are ended."""
    transport = Transport(type(redis).from_url(address))
    house = House(new_launcher, tmp_path / "home", Fleet(tmp_path / "driver"), redis, transport)
    yield house
    while alive := house.launcher.alive():
        for worker_id in alive:
            house.launcher.kill(worker_id)
        time.sleep(0.01)


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


@pytest.mark.parametrize("new_launcher", ["docker"], indirect=True)
def test_a_container_that_is_not_its_own_is_never_touched_whatever_it_is_called(
    house: House, sleeper: Callable[..., str], tmp_path: Path
) -> None:
    worker = house.started()
    another, home = str(tmp_path / "another home"), str(house.home)
    others = [
        sleeper(),
        sleeper("--name", f"hdsmlm-{secrets.token_hex(4)}"),
        sleeper("--label", f"{LEASE}={worker.worker_id}"),
        sleeper("--label", f"{LEASE}={worker.worker_id}", "--label", f"{INSTALLATION}={another}"),
        sleeper("--label", f"{INSTALLATION}={home}"),
    ]
    again = house.new(house.home)
    assert set(again.alive()) == {worker.worker_id}
    for launcher in (again, house.launcher):
        launcher.ask_to_leave(worker.worker_id)
        launcher.kill(worker.worker_id)
    eventually(lambda: house.is_gone(worker))
    running = docker("ps", "--quiet", "--no-trunc").split()
    assert [container in running for container in others] == [True] * len(others)


@pytest.mark.parametrize("new_launcher", ["docker"], indirect=True)
def test_a_container_that_has_the_name_of_a_lease_and_is_not_its_own_makes_the_launch_fail(
    house: House, sleeper: Callable[..., str]
) -> None:
    worker = house.worker()
    other = sleeper("--name", f"hdsmlm-{worker.worker_id}")
    with pytest.raises(OrchestratorError, match="already in use"):
        house.launcher.start(worker)
    assert house.launcher.alive() == {}
    assert other in docker("ps", "--quiet", "--no-trunc").split()


@pytest.mark.parametrize("new_launcher", ["docker"], indirect=True)
def test_a_container_has_the_limits_of_its_lease_and_no_privilege(house: House) -> None:
    on_cpu, on_gpu = house.worker().model_copy(update={"device": "cpu", "lease_mib": 600}), house.worker()
    for worker in (on_cpu, on_gpu):
        house.launcher.start(worker)
    seen = _inspected(on_cpu)
    assert seen["HostConfig"]["Memory"] == (600 + 512) << 20
    assert seen["HostConfig"]["DeviceRequests"] in (None, [])
    assert "CUDA_VISIBLE_DEVICES=-1" in seen["Config"]["Env"]
    house.launcher.resize(on_cpu.worker_id, 700)
    assert _inspected(on_cpu)["HostConfig"]["Memory"] == (700 + 512) << 20
    seen = _inspected(on_gpu)
    held = seen["HostConfig"]
    assert held["DeviceRequests"][0]["DeviceIDs"] == [on_gpu.device]
    assert f"CUDA_VISIBLE_DEVICES={on_gpu.device}" in seen["Config"]["Env"]
    assert held["Memory"] == held["MemorySwap"] == 512 << 20
    assert held["ReadonlyRootfs"]
    assert held["CapDrop"] == ["ALL"]
    assert held["SecurityOpt"] == ["no-new-privileges:true"]
    assert not held["Privileged"]
    assert seen["Image"].startswith("sha256:")


@pytest.mark.parametrize("new_launcher", ["docker"], indirect=True)
def test_what_a_container_printed_outlives_it(house: House) -> None:
    worker = house.started()
    house.redis.set(plan_key("a"), "no plan at all")
    house.transport.deliver(worker.worker_id, "a", "0123456789abcdef")
    log = house.home / "logs" / "workers" / f"{worker.worker_id}.log"
    eventually(lambda: house.is_gone(worker))
    assert "Traceback" in log.read_text()


@pytest.fixture
def sleeper() -> Iterator[Callable[..., str]]:
    """Starts a container that is not the balancer's, with any options; gives its id."""
    begun: list[str] = []

    def sleeper(*options: str) -> str:
        command = ["run", "--detach", "--network", "none", *options, "--entrypoint", "sleep", control_image(), "60"]
        begun.append(docker(*command).strip())
        return begun[-1]

    yield sleeper
    docker("rm", "--force", *begun)


def _inspected(worker: Worker) -> dict[str, Any]:
    (seen,) = json.loads(docker("inspect", f"hdsmlm-{worker.worker_id}"))
    return dict(seen)


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
