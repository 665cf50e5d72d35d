"""What the launcher of containers promises beyond the port."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.balancer.launchers.containers import INSTALLATION, LEASE
from orchestrator.errors import OrchestratorError
from orchestrator.records import Worker
from tests.chaos.plans import plan_key
from tests.contracts.conftest import BUILDS_AN_IMAGE
from tests.contracts.house import House
from tests.driver.waiting import eventually
from tests.engine import control_image, docker

pytestmark = BUILDS_AN_IMAGE


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
