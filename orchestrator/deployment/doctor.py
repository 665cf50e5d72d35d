"""`orchestrator doctor`: looks every part of an installation over, and says what to do about what is wrong.

One function for each check; a new one joins `CHECKS`. A check returns what it found, and raises `OrchestratorError`
where something is wrong.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from orchestrator.addresses import mlflow_url, redis_url
from orchestrator.balancer.answers.status import read
from orchestrator.errors import OrchestratorError, ServiceError
from orchestrator.settings import Settings, starter
from worker.spec import CPU_DEVICE

_LEAST_FREE_GIB = 10
_GIB = 1 << 30


class Finding(NamedTuple):
    """What one check came to."""

    name: str
    is_well: bool
    message: str


def examine(settings: Settings, names: Sequence[str] = ()) -> Iterator[Finding]:
    """Make the named checks, or all that concern this installation.

    Raises:
        OrchestratorError: there is no check of a name.
    """
    if unknown := set(names) - set(CHECKS):
        raise OrchestratorError(f"there is no check '{sorted(unknown)[0]}'; there are {', '.join(CHECKS)}")
    for name in names or _concerned(settings):
        yield _examined(name, settings)


def _concerned(settings: Settings) -> list[str]:
    return [name for name in CHECKS if name != "docker" or settings.balancer.launcher == "docker"]


def _examined(name: str, settings: Settings) -> Finding:
    try:
        return Finding(name, is_well=True, message=CHECKS[name](settings))
    except OrchestratorError as error:
        return Finding(name, is_well=False, message=str(error))


def _folder(settings: Settings) -> str:
    """Checkpoints need room, and a folder that can be written."""
    home = settings.home
    there = next(folder for folder in (home, *home.parents) if folder.exists())
    if not os.access(there, os.W_OK):
        raise OrchestratorError(f"{there} cannot be written by this user; set HDSMLM_HOME to a folder that can")
    free_gib = shutil.disk_usage(there).free / _GIB
    if free_gib < _LEAST_FREE_GIB:
        raise OrchestratorError(f"{there} has {free_gib:.1f} GiB left; at least {_LEAST_FREE_GIB} are needed")
    return f"{home}, {free_gib:.0f} GiB free"


def _redis(settings: Settings) -> str:
    from orchestrator.redis_door import connect

    url = redis_url(settings)
    client = connect(url)
    server, keeps = client.info("server"), client.info("persistence")
    if not keeps["aof_enabled"]:
        raise ServiceError("Redis would forget everything with its end; set appendonly to yes")
    if keeps["aof_last_write_status"] != "ok":
        raise ServiceError("Redis cannot write its file; is its disk full?")
    return f"version {server['redis_version']}, every write kept"


def _mlflow(settings: Settings) -> str:
    from orchestrator.experiment import Experiments

    url = mlflow_url(settings)
    if not Experiments(url).answers():
        raise ServiceError(f"MLflow does not answer at {url}; its log says why (it takes some 20 s after a start)")
    return f"answers at {settings.mlflow_public_url or url}"


def _balancer(settings: Settings) -> str:
    seen = read(redis_url(settings))
    if seen["age_s"] is None:
        raise ServiceError(f"no balancer has run yet; {starter()} starts one")
    if not seen["up"]:
        raise ServiceError(f"the balancer has said nothing for {seen['age_s']:.0f} s; its log says why")
    return f"looked around {seen['age_s']:.1f} s ago"


def _devices(settings: Settings) -> str:
    devices = read(redis_url(settings))["devices"]
    if ill := [device for device in devices if device["health"] != "ok"]:
        raise OrchestratorError("; ".join(f"{one['name']}: {one['why'] or one['health']}" for one in ill))
    if not devices:
        raise OrchestratorError("no device is known; `balancer status` says more once the balancer runs")
    if [device["name"] for device in devices] == [CPU_DEVICE]:
        return "no GPU: runs train on the CPU"
    return ", ".join(f"{device['name']} {device['model']}" for device in devices)


def _docker(settings: Settings) -> str:
    from orchestrator.balancer.launchers.engine import Engine

    return Engine(settings.containers.image).facts()


CHECKS: Mapping[str, Callable[[Settings], str]] = {
    "folder": _folder,
    "redis": _redis,
    "mlflow": _mlflow,
    "balancer": _balancer,
    "devices": _devices,
    "docker": _docker,
}
