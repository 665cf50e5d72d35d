"""The order form of a worker, and every Redis name that the two sides share.

An orchestrator fills in a `RunSpec` and stores it in the ledger; RQ then carries only a run id and a token.
A worker answers with `Report`s on its own stream, and obeys the `Order` that it finds under an attempt's control key.

Readers here ignore unknown fields, so an orchestrator and a worker of neighbouring releases understand each other.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from model.config import Scalar, TrainConfig

JOB_FUNCTION = "worker.job.run_attempt"
"""The one function that a worker executes, with a run id and a token."""

CPU_DEVICE, CPU_MODEL = "cpu", "CPU"
"""The device that is the machine itself, where there is no GPU: its id, which is its name too, and its product name."""

HEARTBEAT_TTL_S = 15
"""A worker that has not renewed its heartbeat for so long is lost."""


class Message(BaseModel):
    """A frozen value that crosses a process boundary."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Goal(StrEnum):
    """Which way a metric improves."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"


class Metric(Message):
    """The number by which a sweep ranks its cells."""

    name: str
    goal: Goal


class RunSpec(Message):
    """One run: what to train and under which name to report it."""

    run_id: str
    sweep: str
    slug: str
    cell: int
    """Index of the cell in the grid, from 0; the seeds of a cell share it."""
    seed: int
    axes: dict[str, Scalar]
    """The values that tell this cell from the others."""
    config: TrainConfig
    metric: Metric
    timeout_s: float | None = None
    footprint_mib: int
    """Predicted peak memory on a CPU."""
    gpu_footprint_mib: int = 0
    """Predicted peak of the allocator on a GPU."""
    memory_is_fixed: bool = False
    """Whether a person has said how much memory it needs."""
    signature: str = ""
    """Equal for runs that need the same memory."""
    work_gflop: float = 1.0
    """Arithmetic of the whole training; orders runs by the time they will take."""
    rank: int = 0
    """Place in the order that the sweep asks for; runs of one rank may be taken in any order."""


class ReportKind(StrEnum):
    """What a worker can say."""

    READY = "ready"
    """The training stack is imported; runs are welcome."""
    STARTED = "started"
    PROGRESS = "progress"
    FINISHED = "finished"
    FAILED = "failed"
    RELEASED = "released"
    """Stopped as ordered, with a checkpoint; the run may go on elsewhere."""


class FailureClass(StrEnum):
    """Why an attempt failed, which decides whether the run is tried again."""

    INFRA = "infra"
    """Worker, host, driver or container lost."""
    OOM = "oom"
    """Out of memory under its own cap."""
    TIMEOUT = "timeout"
    USER = "user"
    """The training itself raised, or its loss is not finite."""


class Report(Message):
    """One entry of a worker's report stream."""

    kind: ReportKind
    run_id: str = ""
    token: str = ""
    at: float
    """Seconds since the epoch."""
    mlflow_run_id: str = ""
    epoch: int = 0
    epochs: int = 0
    steps_per_s: float = 0.0
    metrics: dict[str, float] = Field(default_factory=dict)
    peak_mib: int = 0
    failure: FailureClass | None = None
    signature: str = ""
    """Exception type and last frame: equal for equal failures."""
    message: str = ""


class Order(StrEnum):
    """What the orchestrator can ask of a running attempt."""

    RELEASE = "release"
    """Checkpoint, report `released`, leave."""
    CANCEL = "cancel"
    """Stop at once; the last epoch's checkpoint is kept for a retry."""


PREFIX = "hdsmlm"


MLFLOW_URL = f"{PREFIX}:mlflow-url"
"""Where attempts report to; the balancer sets it at each start."""


PROCESS_ENDED = "process ended by"
"""Beginning of the signature of a run whose process ended without a word."""
DEVICE_FAULT = "DeviceError"
"""Beginning of the signature of a failure that is the device's."""


def run_key(run_id: str) -> str:
    """Hash of a run in the ledger; its field `spec` holds the RunSpec as JSON."""
    return f"{PREFIX}:run:{run_id}"


def sweep_key(sweep: str) -> str:
    """Hash of a sweep in the ledger; holds `experiment_id` and `parent_run_id` once MLflow knows the sweep."""
    return f"{PREFIX}:sweep:{sweep}"


def queue_name(worker_id: str) -> str:
    """RQ queue of one worker."""
    return f"worker-{worker_id}"


def report_stream(worker_id: str) -> str:
    """Stream to which one worker appends its reports."""
    return f"{PREFIX}:reports:{worker_id}"


def heartbeat_key(worker_id: str) -> str:
    """Key that a worker renews while its supervisor lives."""
    return f"{PREFIX}:heartbeat:{worker_id}"


def pace_key(worker_id: str) -> str:
    """Key that holds the latest `Report` of how fast a worker's run goes; unlike a stream, it wakes nobody."""
    return f"{PREFIX}:pace:{worker_id}"


def control_key(run_id: str, token: str) -> str:
    """Key under which an attempt finds its `Order`."""
    return f"{PREFIX}:control:{run_id}:{token}"


def taken_key(run_id: str, token: str) -> str:
    """Key that the first delivery of an attempt sets, so that a repeated one is ignored."""
    return f"{PREFIX}:taken:{run_id}:{token}"


def job_id(run_id: str, token: str) -> str:
    """RQ's id of an attempt."""
    return f"{run_id}-{token}"


TAG_RUN_ID = f"{PREFIX}.run_id"
TAG_SWEEP = f"{PREFIX}.sweep"
TAG_TOKEN = f"{PREFIX}.attempt"
TAG_ACCEPTED = f"{PREFIX}.accepted"
"""Set by the balancer on the one attempt whose result counts."""
TAG_PARENT = f"{PREFIX}.parent_of"
"""Marks the parent run of a sweep."""
