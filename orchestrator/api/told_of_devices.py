"""The shapes of the balancer's answers, for OpenAPI; `docs/balancer-status.md` says what each key means."""

from __future__ import annotations

from orchestrator.api.told import Count, Metrics, RunId, Slug, States, SweepName, Told
from orchestrator.records import WorkerState
from orchestrator.states import RunState


class Device(Told):
    """A GPU, a MIG instance or the machine's memory."""

    device: str
    name: str
    model: str
    read_at: float
    total_mib: int
    used_mib: int
    observed_mib: int
    leased_mib: int
    unused_mib: int
    foreign_mib: int
    free_mib: int
    headroom_mib: int
    reserve_mib: int
    overhead_mib: int
    growth_mib: int
    safety_mib: int
    utilisation: float | None
    temperature_c: float | None
    attributed: bool
    avoided: bool
    health: str
    why: str
    trouble: str
    quarantine: str
    blind: str
    workers: int
    slots: int


class Worker(Told):
    """A worker and its lease."""

    worker: str
    sweep: SweepName
    device: str
    state: WorkerState
    launched_at: float | None
    since: float | None
    lease_mib: int
    observed_mib: int
    exclusive: bool
    ramping: bool
    spent: bool
    measured: bool
    settling: bool
    signature: str
    run: RunId | None
    slug: Slug | None
    epoch: int | None
    epochs: int | None
    steps_per_s: float | None
    started_at: float | None
    ends_in_s: int | None
    metrics: Metrics


class SweepInBalance(States):
    """A sweep with runs that are not over."""

    sweep: SweepName
    priority: int
    delayed: Count
    paused: str
    held: bool
    waits: str
    head: str | None
    left_s: int | None


class BalancerStatus(Told):
    """What the balancer last saw."""

    up: bool
    age_s: float | None
    at: float | None
    since: float | None
    pid: int | None
    fencing_epoch: int | None
    shutting_down: bool
    devices: list[Device]
    workers: list[Worker]
    sweeps: list[SweepInBalance]


class Reservation(Told):
    """A place that is kept."""

    device: str
    name: str
    in_s: int | None
    after_run: RunId | None


class DeviceForRun(Told):
    """What stands in a run's way on one device."""

    device: str
    name: str
    model: str
    predicted_mib: int
    learned_mib: int | None
    finished: int
    ooms: int
    cap_mib: int
    cap_from: str
    lease_mib: int
    headroom_mib: int
    why: str


class Queue(Told):
    """Why a run waits."""

    why: str
    runs_before: int | None
    like_it_before: int | None
    retry_at: float | None
    reservation: Reservation | None
    devices: list[DeviceForRun]


class UnderWay(Told):
    """What a worker is doing with a run."""

    worker: str
    worker_state: WorkerState
    device: str
    name: str
    predicted_mib: int
    learned_mib: int | None
    cap_mib: int | None
    lease_mib: int
    observed_mib: int | None
    peak_mib: int | None
    epoch: int
    epochs: int
    steps_per_s: float | None
    ends_in_s: int | None


class Explanation(Told):
    """Where a run stands, and why."""

    up: bool
    age_s: float | None
    at: float | None
    run: RunId
    slug: Slug
    sweep: SweepName
    state: RunState
    attempts: int
    failures: dict[str, int]
    message: str
    started_at: float | None
    ended_at: float | None
    peak_mib: int | None
    metrics: Metrics
    queue: Queue | None
    under_way: UnderWay | None


class DrainedDevice(Told):
    """A device that workers leave."""

    device: str
    name: str
    now: bool
    runs: int


class ResumedDevice(Told):
    """A device that is used again."""

    device: str
    name: str
    was_drained: bool
    was_quarantined: str
    trouble: str


class DrainedDevices(Told):
    """What came of draining, and the same in words."""

    up: bool
    devices: list[DrainedDevice]
    lines: list[str]


class ResumedDevices(Told):
    """What came of resuming, and the same in words."""

    up: bool
    devices: list[ResumedDevice]
    lines: list[str]
