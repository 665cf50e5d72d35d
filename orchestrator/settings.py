"""What an installation can set, read once from the environment.

Plain dataclasses: `balancer status` reads them too, and must answer before a validation library would be imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from orchestrator.errors import OrchestratorError
from worker.redis_address import redis_address

Devices = Literal["auto", "gpu", "cpu"]
ForeignPolicy = Literal["share", "avoid", "never"]
Where = Literal["here", "elsewhere"]
LauncherKind = Literal["process", "docker"]
OnStop = Literal["keep", "release"]


@dataclass(frozen=True)
class BalancerSettings:
    """How the balancer gives out memory."""

    devices: Devices = "auto"
    """What runs train on; auto: GPUs where there are any. HDSMLM_DEVICES."""
    slots: int = 0
    """Most workers on the CPU device; 0: one per core. HDSMLM_SLOTS."""
    reserve_mib: int = 2048
    """Memory of the CPU device that is never given out, MiB. HDSMLM_RESERVE_MIB."""
    gpu_slots: int = 8
    """Most workers on a GPU. HDSMLM_GPU_SLOTS."""
    gpu_reserve_mib: int = 0
    """Memory of each GPU that is never given out, MiB. HDSMLM_GPU_RESERVE_MIB."""
    gpu_limits: str = ""
    """Exceptions for single GPUs, by name or UUID: `gpu0 workers=2 reserve=4096; gpu1 workers=1`. HDSMLM_GPU_LIMITS."""
    foreign: ForeignPolicy = "share"
    """What other people's process on a GPU means: use the rest, use it last, or stay away. HDSMLM_FOREIGN."""
    tick_s: float = 1.0
    """Longest time between two looks at the world, s. HDSMLM_TICK_S."""
    runs_per_worker: int = 100
    """How many runs a worker is given before a fresh one takes its place. HDSMLM_RUNS_PER_WORKER."""
    idle_worker_s: float = 30.0
    """How long a worker with nothing to do is kept warm, s. HDSMLM_IDLE_WORKER_S."""
    stop_grace_s: float = 60.0
    """Time that a run has to checkpoint before its worker is killed, s. HDSMLM_STOP_GRACE_S."""
    where: Where = "here"
    """Whether commands start a balancer where none runs, or one is kept running by others. HDSMLM_BALANCER."""
    launcher: LauncherKind = "process"
    """What workers are: processes of this machine, or containers. HDSMLM_LAUNCHER."""
    on_stop: OnStop = "keep"
    """What the balancer's end means to workers: go on, or checkpoint and leave. HDSMLM_ON_STOP."""


@dataclass(frozen=True)
class ContainerSettings:
    """How workers run as containers."""

    image: str = "hdsmlm/worker:local"
    """HDSMLM_WORKER_IMAGE."""
    network: str = ""
    """The network on which workers reach Redis and MLflow; empty: Docker's default. HDSMLM_WORKER_NETWORK."""
    folders: tuple[str, ...] = ()
    """Folders that workers share with the balancer, as `/checkpoints /data:ro`. HDSMLM_WORKER_FOLDERS."""
    user: str = ""
    """Who workers are, as `UID:GID`; empty: as the image says. HDSMLM_WORKER_USER."""
    installation: str = ""
    """Name on every container's label; empty: the home folder. HDSMLM_INSTALLATION."""
    redis_url: str = ""
    """Redis as workers reach it; empty: as the balancer does. HDSMLM_WORKER_REDIS_URL."""
    redis_password_file: str = ""
    """File with the workers' password of Redis, in their containers. HDSMLM_WORKER_REDIS_PASSWORD_FILE."""
    mlflow_url: str = ""
    """MLflow as workers reach it; empty: as the balancer does. HDSMLM_WORKER_MLFLOW_URL."""
    ram_mib: int = 16384
    """Most of the machine's memory for a worker of a GPU, MiB. HDSMLM_WORKER_RAM_MIB."""
    shm_mib: int = 512
    """Size of /dev/shm, MiB. HDSMLM_WORKER_SHM_MIB."""
    tmp_mib: int = 1024
    """Size of /tmp, in memory, MiB. HDSMLM_WORKER_TMP_MIB."""
    most_processes: int = 1024
    """Processes and threads of a worker. HDSMLM_WORKER_PROCESSES."""


@dataclass(frozen=True)
class ApiSettings:
    """How commands reach an API, and what an API asks of those who call it."""

    url: str = ""
    """Where commands send what they are asked; empty: they do it themselves. ORCHESTRATOR_URL."""
    token: str = field(default="", repr=False)
    """What callers must show. ORCHESTRATOR_TOKEN."""
    token_file: Path | None = None
    """File that holds it. ORCHESTRATOR_TOKEN_FILE."""


@dataclass(frozen=True)
class Settings:
    """Where everything is."""

    home: Path = Path(".hdsmlm")
    """Folder for the embedded services, checkpoints and logs. HDSMLM_HOME."""
    redis_url: str = ""
    """Redis to use; empty: an embedded one under `home`. HDSMLM_REDIS_URL."""
    mlflow_url: str = ""
    """MLflow server to use; empty: an embedded one under `home`. HDSMLM_MLFLOW_URL."""
    mlflow_public_url: str = ""
    """MLflow as people reach it; empty: as programs do. HDSMLM_MLFLOW_PUBLIC_URL."""
    data: Path | None = None
    """Folder of experimental movies: paths in a search space start from it and cannot leave it; none: they start from
    the YAML file. HDSMLM_DATA."""
    balancer: BalancerSettings = field(default_factory=BalancerSettings)
    containers: ContainerSettings = field(default_factory=ContainerSettings)
    api: ApiSettings = field(default_factory=ApiSettings)


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        OrchestratorError: a number is not one, a word is none of those that are known, or a file cannot be read.
    """
    return Settings(
        home=Path(environment.get("HDSMLM_HOME", ".hdsmlm")).absolute(),
        redis_url=_redis_url(environment),
        mlflow_url=environment.get("HDSMLM_MLFLOW_URL", ""),
        mlflow_public_url=environment.get("HDSMLM_MLFLOW_PUBLIC_URL", ""),
        data=_path(environment, "HDSMLM_DATA"),
        api=ApiSettings(
            url=environment.get("ORCHESTRATOR_URL", ""),
            token=environment.get("ORCHESTRATOR_TOKEN", ""),
            token_file=_path(environment, "ORCHESTRATOR_TOKEN_FILE"),
        ),
        balancer=_balancer(_Reader(environment), BalancerSettings()),
        containers=_containers(_Reader(environment), ContainerSettings()),
    )


def starter(environment: Mapping[str, str] = os.environ) -> str:
    """The command that starts what is not up, in the kind of installation that this process belongs to."""
    elsewhere = environment.get("HDSMLM_BALANCER") == "elsewhere"
    return "`docker compose up --wait`" if elsewhere else "`orchestrator up`"


def _balancer(read: _Reader, given: BalancerSettings) -> BalancerSettings:
    return BalancerSettings(
        devices=read.choice("HDSMLM_DEVICES", given.devices, Devices),
        foreign=read.choice("HDSMLM_FOREIGN", given.foreign, ForeignPolicy),
        gpu_slots=read.whole("HDSMLM_GPU_SLOTS", given.gpu_slots),
        gpu_reserve_mib=read.whole("HDSMLM_GPU_RESERVE_MIB", given.gpu_reserve_mib),
        gpu_limits=read.text("HDSMLM_GPU_LIMITS", given.gpu_limits),
        slots=read.whole("HDSMLM_SLOTS", given.slots),
        reserve_mib=read.whole("HDSMLM_RESERVE_MIB", given.reserve_mib),
        tick_s=read.number("HDSMLM_TICK_S", given.tick_s),
        runs_per_worker=read.whole("HDSMLM_RUNS_PER_WORKER", given.runs_per_worker),
        idle_worker_s=read.number("HDSMLM_IDLE_WORKER_S", given.idle_worker_s),
        stop_grace_s=read.number("HDSMLM_STOP_GRACE_S", given.stop_grace_s),
        where=read.choice("HDSMLM_BALANCER", given.where, Where),
        launcher=read.choice("HDSMLM_LAUNCHER", given.launcher, LauncherKind),
        on_stop=read.choice("HDSMLM_ON_STOP", given.on_stop, OnStop),
    )


def _containers(read: _Reader, given: ContainerSettings) -> ContainerSettings:
    return ContainerSettings(
        image=read.text("HDSMLM_WORKER_IMAGE", given.image),
        network=read.text("HDSMLM_WORKER_NETWORK", given.network),
        folders=tuple(read.text("HDSMLM_WORKER_FOLDERS", "").split()),
        user=read.text("HDSMLM_WORKER_USER", given.user),
        installation=read.text("HDSMLM_INSTALLATION", given.installation),
        redis_url=read.text("HDSMLM_WORKER_REDIS_URL", given.redis_url),
        redis_password_file=read.text("HDSMLM_WORKER_REDIS_PASSWORD_FILE", given.redis_password_file),
        mlflow_url=read.text("HDSMLM_WORKER_MLFLOW_URL", given.mlflow_url),
        ram_mib=read.whole("HDSMLM_WORKER_RAM_MIB", given.ram_mib),
        shm_mib=read.whole("HDSMLM_WORKER_SHM_MIB", given.shm_mib),
        tmp_mib=read.whole("HDSMLM_WORKER_TMP_MIB", given.tmp_mib),
        most_processes=read.whole("HDSMLM_WORKER_PROCESSES", given.most_processes),
    )


def _redis_url(environment: Mapping[str, str]) -> str:
    try:
        return redis_address(environment)
    except ValueError as error:
        raise OrchestratorError(str(error)) from error


def _path(environment: Mapping[str, str], name: str) -> Path | None:
    return Path(environment[name]).absolute() if environment.get(name) else None


class _Reader(NamedTuple):
    """Reads one variable at a time; an empty one counts as not set, as compose files leave them."""

    environment: Mapping[str, str]

    def text(self, name: str, default: str) -> str:
        return self.environment.get(name) or default

    def number(self, name: str, default: float) -> float:
        text = self.text(name, str(default))
        try:
            return float(text)
        except ValueError as error:
            raise OrchestratorError(f"{name} is '{text}'; expected a number, such as {default:g}") from error

    def whole(self, name: str, default: int) -> int:
        return int(self.number(name, default))

    def choice(self, name: str, default: str, words: Any) -> Any:
        """One of the words of a Literal."""
        text = self.text(name, default)
        if text not in get_args(words):
            raise OrchestratorError(f"{name} is '{text}'; expected one of {', '.join(get_args(words))}")
        return text
