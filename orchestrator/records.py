"""What the ledger holds, as frozen values: sweeps, runs and workers.

Redis keeps each as a hash of strings, which pydantic reads; fields of other releases are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Self

from pydantic import Field, Json, field_validator

from orchestrator.states import RunState
from worker.spec import FailureClass, Message, Metric, RunSpec


class SweepPolicy(Message):
    """How a sweep is carried out."""

    priority: int = 50
    exclusive: bool = False
    retries: Mapping[FailureClass, int] = Field(
        default={FailureClass.INFRA: 5, FailureClass.OOM: 2, FailureClass.TIMEOUT: 1, FailureClass.USER: 0}
    )
    """Times that a run is tried again, by class of failure."""
    same_failure: int = 3
    """Equal failures after which the sweep is paused."""
    failed_fraction: float = 0.2
    """Share of failed runs above which the sweep is paused."""


class Record(Message):
    """A value that Redis keeps as a hash of strings."""

    @classmethod
    def from_hash(cls, fields: Mapping[str, str], **known: Any) -> Self:
        """Read the record; `known` are fields that the key, not the hash, holds."""
        return cls.model_validate({**fields, **known})


class Sweep(Record):
    """A submitted search space."""

    name: str
    metric: Json[Metric]
    axes: Json[list[str]]
    policy: Json[SweepPolicy]
    description: str = ""
    source: str = ""
    """The YAML as submitted."""
    commit: str = ""
    """Version of the code that submitted it."""
    hold: bool = False
    """Stopped by Ctrl-C or `down`: running runs are released. The next `run` lifts it."""
    paused: str = ""
    """Why nothing new starts; lifted by a person only."""
    experiment_id: str = ""
    parent_run_id: str = ""


class Run(Record):
    """A run as the ledger knows it."""

    run_id: str
    sweep: str
    state: RunState
    position: int
    footprint_mib: int
    spec: Json[RunSpec]
    token: str = ""
    worker: str = ""
    attempts: int = 0
    failures: Json[dict[FailureClass, int]] = Field(default="{}", validate_default=True)
    not_before: float = 0.0
    assigned_at: float = 0.0
    epoch: int = 0
    epochs: int = 0
    steps_per_s: float = 0.0
    metrics: Json[dict[str, float]] = Field(default="{}", validate_default=True)
    """Of the accepted attempt once finished, else the latest of the running one."""
    mlflow_run_id: str = ""
    accepted_token: str = ""
    message: str = ""
    """Why it failed, waits or is infeasible."""
    started_at: float = 0.0
    ended_at: float = 0.0
    peak_mib: int = 0


class WorkerState(StrEnum):
    """Where a worker stands."""

    STARTING = "starting"
    """Leased and launched; imports the training stack."""
    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    """Takes no more runs and leaves after the present one."""


class Worker(Record):
    """A worker and its lease: so much memory of one device, promised until it is gone."""

    worker_id: str
    sweep: str
    device: str
    lease_mib: int
    state: WorkerState
    created_at: float
    """Seconds since the epoch."""
    fencing_epoch: int = 0
    """Count of balancer starts when it was launched."""
    exclusive: bool = False
    """Whether it has the device to itself."""
    run_id: str = ""
    delivered: bool = False
    """Whether RQ has the order for `run_id`."""
    idle_since: float = 0.0

    @field_validator("exclusive", mode="before")
    @classmethod
    def _flag(cls, value: object) -> object:
        return value == "1" if isinstance(value, str) else value
