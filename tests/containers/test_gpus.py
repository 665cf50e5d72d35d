"""Eight GPUs of the stand-in driver, seen by the balancer in its container; ghosts in containers as its workers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.plans import Plan, plan_key
from tests.containers.installation import Installation
from tests.driver.numbering import numbering
from tests.driver.stand_in import STATE, Fleet
from tests.e2e.installation import wait_for, write_space
from tests.engine import docker, needs_engine
from worker.spec import sweep_key

_GPUS, _SLOTS = 8, 2
_WITHIN_ITS_CAP = Plan(peak_mib=100, seconds=600)
"""A run that found no memory twice gets a GPU to itself, and these shall share."""
_FOLDERS = "/var/lib/hdsmlm/checkpoints /var/lib/hdsmlm/logs /secrets:ro"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A driver that every container can reach."""
    fleet = Fleet.create(tmp_path_factory.mktemp("driver"), gpus=_GPUS)
    for path in (fleet.folder.parent, fleet.folder):
        path.chmod(0o777)
    (fleet.folder / "state").chmod(0o666)
    with numbering(fleet.folder):
        (fleet.folder / "pids.sock").chmod(0o777)
        yield fleet


@pytest.fixture(scope="module")
def machine(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """An installation whose balancer sees the driver, and whose workers are ghosts."""
    needs_engine()
    override = tmp_path_factory.mktemp("override") / "override.yml"
    override.write_text(json.dumps({"services": {"balancer": _sees(fleet)}}))
    machine = Installation(
        files=("docker-compose.yml", str(override)),
        settings={"HDSMLM_GPU_SLOTS": str(_SLOTS), "HDSMLM_DEVICES": "gpu", "HDSMLM_IDLE_WORKER_S": "5"},
    )
    try:
        machine.compose("build")
        arguments = {"CONTROL_IMAGE": "hdsmlm/control:test", STATE: str(fleet.folder / "state")}
        given = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
        docker("build", "--tag", "hdsmlm/ghost:test", *given, "--file", _GHOST, ".")
        machine.up()
        yield machine
    finally:
        machine.compose("down", "--volumes")
    assert machine.leftovers() == []


_GHOST = "tests/containers/ghost.Dockerfile"


def _sees(fleet: Fleet) -> dict[str, Any]:
    folder = str(fleet.folder)
    return {
        "volumes": [f"{folder}:{folder}"],
        "environment": {
            "LD_LIBRARY_PATH": folder,
            STATE: f"{folder}/state",
            "HDSMLM_WORKER_IMAGE": "hdsmlm/ghost:test",
            "HDSMLM_WORKER_FOLDERS": f"{_FOLDERS} {folder}",
            "HDSMLM_WORKER_REDIS_URL": "redis://redis:6379/0",
            "HDSMLM_WORKER_REDIS_PASSWORD_FILE": "/secrets/redis_password",
        },
    }


def test_eight_gpus_appear(machine: Installation, fleet: Fleet) -> None:
    seen = machine.balancer()["devices"]
    assert [device["device"] for device in seen] == [gpu.uuid for gpu in fleet.gpu]
    assert {device["health"] for device in seen} == {"ok"}


def test_workers_get_the_gpu_of_their_lease_and_several_share_one(
    machine: Installation, fleet: Fleet, tmp_path: Path
) -> None:
    machine.redis("HSET", sweep_key("shared"), "paused", "until ghosts know what to do")
    machine.submit(write_space(tmp_path, "shared", rates=5, seeds=4))
    runs = json.loads(machine.call("orchestrator", "status", "shared", "--runs", "--json"))["details"]
    plans = [part for run in runs for part in (plan_key(run["run"]), _WITHIN_ITS_CAP.dump())]
    machine.redis("MSET", *plans)
    machine.call("orchestrator", "resume", "shared")
    wait_for(lambda: len(machine.worker_ids()) == _GPUS * _SLOTS)
    containers = [json.loads(docker("inspect", one))[0] for one in machine.workers()]
    requested = [one["HostConfig"]["DeviceRequests"][0]["DeviceIDs"] for one in containers]
    visible = [dict(pair.split("=", 1) for pair in one["Config"]["Env"]) for one in containers]
    assert requested == [[one["CUDA_VISIBLE_DEVICES"]] for one in visible]
    assert requested == [one["NVIDIA_VISIBLE_DEVICES"].split(",") for one in map(_environment_inside, containers)]
    assert Counter(device for (device,) in requested) == {gpu.uuid: _SLOTS for gpu in fleet.gpu}
    wait_for(lambda: all(device["observed_mib"] > 1000 for device in machine.balancer()["devices"]))
    machine.call("orchestrator", "cancel", "shared")
    wait_for(lambda: not machine.workers())


def _environment_inside(container: dict[str, Any]) -> dict[str, str]:
    printed = docker("exec", container["Id"], "cat", "/proc/1/environ")
    return dict(pair.split("=", 1) for pair in printed.split("\0") if "=" in pair)
