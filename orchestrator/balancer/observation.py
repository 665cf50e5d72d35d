"""What a decision may look at, and what it may ask for: frozen values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from orchestrator.records import WorkerState


@dataclass(frozen=True)
class Device:
    """A GPU, or the machine's memory where there is none, as read at one moment."""

    device_id: str
    total_mib: int
    free_mib: int
    slots: int
    """Most workers at once."""
    reserve_mib: int = 0
    """Never given out."""
    overhead_mib: int = 0
    """What a worker holds beside its run: a lease is the run's footprint and this."""


@dataclass(frozen=True)
class WorkerView:
    """A worker with its lease and the memory that it was seen to use."""

    worker_id: str
    sweep: str
    device_id: str
    lease_mib: int
    observed_mib: int
    state: WorkerState
    run_id: str = ""
    idle_s: float = 0.0
    exclusive: bool = False


@dataclass(frozen=True)
class SweepView:
    """A sweep that has runs under way."""

    name: str
    priority: int = 50
    exclusive: bool = False
    starts: bool = True
    """False while the sweep is paused or held."""
    held: bool = False
    """Its running runs are to be released."""


@dataclass(frozen=True)
class PendingRun:
    """A queued run whose back-off is over."""

    run_id: str
    sweep: str
    footprint_mib: int
    position: int = 0


@dataclass(frozen=True)
class Observation:
    """Everything that one decision sees."""

    devices: tuple[Device, ...]
    workers: tuple[WorkerView, ...]
    sweeps: tuple[SweepView, ...]
    pending: tuple[PendingRun, ...]
    idle_worker_s: float = 30.0
    shutting_down: bool = False


@dataclass(frozen=True)
class Start:
    """Lease memory of a device and launch a worker for a sweep."""

    sweep: str
    device_id: str
    lease_mib: int
    exclusive: bool = False


@dataclass(frozen=True)
class Assign:
    """Give a run to an idle worker."""

    run_id: str
    worker_id: str


class DrainReason(StrEnum):
    """Why a worker is asked to leave."""

    IDLE = "nothing left for it to do"
    MAKE_ROOM = "another sweep needs its memory"
    HELD = "its sweep is held"
    SHUTDOWN = "the system is shutting down"


@dataclass(frozen=True)
class Drain:
    """Let a worker leave; where it has a run, that is released first."""

    worker_id: str
    reason: DrainReason


@dataclass(frozen=True)
class Refuse:
    """A run that fits no device."""

    run_id: str
    message: str


Action = Start | Assign | Drain | Refuse
