"""What an installation can set, read once from the environment.

Plain dataclasses: `balancer status` reads them too, and must answer before a validation library would be imported.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from orchestrator.errors import OrchestratorError


@dataclass(frozen=True)
class BalancerSettings:
    """How the balancer gives out memory."""

    devices: Literal["auto", "gpu", "cpu"] = "auto"
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
    foreign: Literal["share", "avoid", "never"] = "share"
    """What other people's process on a GPU means: use the rest, use it last, or stay away. HDSMLM_FOREIGN."""
    tick_s: float = 1.0
    """Longest time between two looks at the world, s. HDSMLM_TICK_S."""
    runs_per_worker: int = 100
    """How many runs a worker is given before a fresh one takes its place. HDSMLM_RUNS_PER_WORKER."""
    idle_worker_s: float = 30.0
    """How long a worker with nothing to do is kept warm, s. HDSMLM_IDLE_WORKER_S."""
    stop_grace_s: float = 60.0
    """Time that a run has to checkpoint before its worker is killed, s. HDSMLM_STOP_GRACE_S."""


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
    data: Path | None = None
    """Folder of experimental movies: paths in a search space start from it and cannot leave it; none: they start from
    the YAML file. HDSMLM_DATA."""
    balancer: BalancerSettings = field(default_factory=BalancerSettings)
    api: ApiSettings = field(default_factory=ApiSettings)


def from_environment(environment: Mapping[str, str] = os.environ) -> Settings:
    """Read the settings.

    Raises:
        OrchestratorError: a number is not one.
    """
    given = BalancerSettings()

    def number(name: str, default: float) -> float:
        text = environment.get(name, str(default))
        try:
            return float(text)
        except ValueError as error:
            raise OrchestratorError(f"{name} is '{text}'; expected a number, such as {default:g}") from error

    def choice(name: str, default: str, *choices: str) -> Any:
        text = environment.get(name, default)
        if text not in choices:
            raise OrchestratorError(f"{name} is '{text}'; expected one of {', '.join(choices)}")
        return text

    def path(name: str) -> Path | None:
        return Path(environment[name]).absolute() if environment.get(name) else None

    return Settings(
        home=Path(environment.get("HDSMLM_HOME", ".hdsmlm")).absolute(),
        redis_url=environment.get("HDSMLM_REDIS_URL", ""),
        mlflow_url=environment.get("HDSMLM_MLFLOW_URL", ""),
        data=path("HDSMLM_DATA"),
        api=ApiSettings(
            url=environment.get("ORCHESTRATOR_URL", ""),
            token=environment.get("ORCHESTRATOR_TOKEN", ""),
            token_file=path("ORCHESTRATOR_TOKEN_FILE"),
        ),
        balancer=BalancerSettings(
            devices=choice("HDSMLM_DEVICES", given.devices, "auto", "gpu", "cpu"),
            foreign=choice("HDSMLM_FOREIGN", given.foreign, "share", "avoid", "never"),
            gpu_slots=int(number("HDSMLM_GPU_SLOTS", given.gpu_slots)),
            gpu_reserve_mib=int(number("HDSMLM_GPU_RESERVE_MIB", given.gpu_reserve_mib)),
            gpu_limits=environment.get("HDSMLM_GPU_LIMITS", ""),
            slots=int(number("HDSMLM_SLOTS", given.slots)),
            reserve_mib=int(number("HDSMLM_RESERVE_MIB", given.reserve_mib)),
            tick_s=number("HDSMLM_TICK_S", given.tick_s),
            runs_per_worker=int(number("HDSMLM_RUNS_PER_WORKER", given.runs_per_worker)),
            idle_worker_s=number("HDSMLM_IDLE_WORKER_S", given.idle_worker_s),
            stop_grace_s=number("HDSMLM_STOP_GRACE_S", given.stop_grace_s),
        ),
    )
