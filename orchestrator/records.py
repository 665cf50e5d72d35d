"""What the ledger holds, as frozen values: sweeps, runs and workers.

Redis keeps each as a hash of strings, which pydantic reads; fields of other releases are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, Json, field_validator

from orchestrator.states import RunState
from worker.spec import CPU_MODEL, FailureClass, Message, Metric, RunSpec


class Group(Message):
    """Runs of a sweep that need the same memory and take about as long: one line of the queue."""

    name: str
    signature: str
    footprint_mib: int
    """Predicted peak on a CPU."""
    gpu_footprint_mib: int
    fixed: bool = False
    """Whether a person has said how much memory they need."""
    exclusive: bool = False
    work_gflop: float = 1.0
    shuns: frozenset[str] = frozenset()
    """Devices on which they failed for a reason that may be the device's; others are tried first."""

    @classmethod
    def of(cls, spec: RunSpec, *, exclusive: bool, shuns: Collection[str] = ()) -> Self:
        """The group of a run."""
        needs = f"{spec.signature or spec.footprint_mib}:{spec.work_gflop:.4g}"
        apart = [":exclusive" if exclusive else "", *(f":not {device}" for device in sorted(shuns))]
        return cls(
            name=needs + "".join(apart),
            signature=spec.signature,
            footprint_mib=spec.footprint_mib,
            gpu_footprint_mib=spec.gpu_footprint_mib or spec.footprint_mib,
            fixed=spec.memory_is_fixed,
            exclusive=exclusive,
            work_gflop=spec.work_gflop,
            shuns=frozenset(shuns),
        )

    def predicted_mib(self, model: str) -> int:
        """Predicted peak on a device of this model."""
        return self.footprint_mib if model == CPU_MODEL else self.gpu_footprint_mib


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


@lru_cache(maxsize=4096)
def _spec(text: str) -> RunSpec:
    """A spec never changes, and is large."""
    return RunSpec.model_validate_json(text)


class Run(Record):
    """A run as the ledger knows it."""

    run_id: str
    sweep: str
    state: RunState
    position: int
    """Place in the queue."""
    spec: Annotated[RunSpec, BeforeValidator(_spec)]
    group: str = ""
    """Of the runs of its sweep that need the same."""
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

    @property
    def ends_in_s(self) -> float:
        """How long it will go on at its present rate; infinite where that is not known."""
        if not (self.steps_per_s and self.epochs):
            return math.inf
        return (self.epochs - self.epoch) * self.spec.config.training.steps_per_epoch / self.steps_per_s


class WorkerState(StrEnum):
    """Where a worker stands."""

    STARTING = "starting"
    """Leased and launched; imports the training stack."""
    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    """Takes no more runs and leaves after the present one."""
    RELEASING = "releasing"
    """Gone; its lease counts until its memory is seen free."""


class Worker(Record):
    """A worker and its lease: so much memory of one device, promised until it is gone."""

    worker_id: str
    sweep: str
    device: str
    model: str = ""
    """Product name of the device."""
    lease_mib: int
    state: WorkerState
    created_at: float
    """Seconds since the epoch."""
    exclusive: bool = False
    """Whether it has the device to itself."""
    cap_mib: int = 0
    """Of the lease, what one run may use; 0: no cap."""
    signature: str = ""
    """Memory signature of its run; of the run that it was started for, while it has none."""
    gone_at: float = 0.0
    """When it was gone; 0: it lives."""
    asked_at: float = 0.0
    """When it was asked to leave at once; 0: it was not."""
    left_nothing: bool = False
    """Whether it had no run when it left, and so nothing of a GPU."""
    assigned_at: float = 0.0
    """When it was given its present run, or its last one."""
    served: int = 0
    """Runs that it has been given."""
    steady: bool = False
    """Whether its run has passed an epoch, and so taken what memory it needs."""
    settling_since: float = 0.0
    """When a run of it ended badly, and may have left memory behind; 0: none has."""
    run_id: str = ""
    delivered: bool = False
    """Whether RQ has the order for `run_id`."""
    idle_since: float = 0.0

    @field_validator("exclusive", "steady", "left_nothing", mode="before")
    @classmethod
    def _flag(cls, value: object) -> object:
        return value == "1" if isinstance(value, str) else value
