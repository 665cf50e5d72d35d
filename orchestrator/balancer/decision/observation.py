"""What a decision may look at, and what it may ask for: frozen values, no I/O. Memory in MiB, times in s."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from orchestrator.records import WorkerState
from worker.spec import CPU_MODEL


@dataclass(frozen=True)
class Device:
    """A GPU, a MIG instance or the machine's memory, with what is known of its memory now."""

    device_id: str
    total_mib: int
    """What programs can use; the driver's own share is not in it."""
    free_mib: int
    slots: int
    """Most workers at once."""
    model: str = CPU_MODEL
    """Name of the product; footprints are learned for each."""
    gpu: str = ""
    """The whole GPU that it is, or is a part of; empty: the device itself."""
    name: str = ""
    reserve_mib: int = 0
    """Never given out."""
    overhead_mib: int = 0
    """What a worker holds beside its run's cap: a lease is the cap and this."""
    foreign_mib: int = 0
    """Decaying maximum of what other people's processes hold."""
    growth_mib: int = 0
    """How much more a foreign process is expected to take."""
    safety_mib: int = 0
    """Left alone; 0: the usual share."""
    attributed: bool = True
    """Whether the driver tells the memory of each process."""
    avoided: bool = False
    """Whether it is the last choice, because a foreign process is on it."""
    trouble: str = ""
    """Why no run may start here; empty while the device is well."""
    blind: str = ""
    """Why no memory may be leased just now, although the device is well."""


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
    """Whether it has the device to itself."""
    ramping: bool = False
    """Whether its run may still be taking what it will need at its peak."""
    signature: str = ""
    """Memory signature of its run; of the run that it was started for, while it has none."""
    ends_in_s: float = math.inf
    """When its run will be over, as far as that is known."""
    spent: bool = False
    """Whether it has had as many runs as one worker should."""
    settling: bool = False
    """Whether what its last run held has not been seen free yet; it gets no run so long."""
    measured: bool = True
    """Whether what it was seen to hold is of its present run, and not of the one before."""
    launched_at: float = 0.0
    """Since the epoch; 0: not known."""

    @property
    def excess_mib(self) -> int:
        """What its run holds beyond its lease."""
        return self.observed_mib - self.lease_mib if self.run_id and self.measured else 0


@dataclass(frozen=True)
class SweepView:
    """A sweep that has runs under way."""

    name: str
    priority: int = 50
    starts: bool = True
    """False while the sweep is paused or held."""
    held: bool = False
    """Its running runs are to be released."""


@dataclass(frozen=True)
class Demand:
    """Queued runs of a sweep that need the same memory: one line of the queue."""

    sweep: str
    run_ids: tuple[str, ...]
    """The first of them in the order of the queue; at least as many as could start at once."""
    needs_mib: Mapping[str, int]
    """Cap of one run, by model of the device."""
    count: int = 0
    """How many there are; 0: as many as `run_ids`."""
    signature: str = ""
    rank: int = 0
    """Place of the first run in the order that the sweep asks for; lower ranks go first."""
    expected_s: float = math.inf
    """How long one run takes, as far as that is known."""
    work: float = 1.0
    """Size of one run's training where seconds are not known; orders the queue."""
    waited_s: float = 0.0
    """How long none of them has been served, since the first of them came."""
    exclusive: bool = False
    """Whether a run wants its device to itself."""
    shuns: frozenset[str] = frozenset()
    """Devices on which they failed: for a while tried only where no other GPU could take a run once ours are over."""
    unproven: frozenset[str] = frozenset()
    """Models of device on which no run of this signature has finished."""


@dataclass(frozen=True)
class Observation:
    """Everything that one decision sees."""

    devices: tuple[Device, ...]
    workers: tuple[WorkerView, ...]
    sweeps: tuple[SweepView, ...]
    demands: tuple[Demand, ...]
    loads: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Share of a device that one run of a signature keeps busy, by (model, signature); learned."""
    idle_worker_s: float = 30.0
    shutting_down: bool = False
    draining: Mapping[str, bool] = field(default_factory=dict)
    """Devices that workers are to leave, and whether their runs are to be released at once."""

    def load(self, device: Device, signature: str) -> float | None:
        """Share of the device that a run of the signature keeps busy; None where it is not known."""
        return self.loads.get((device.model, signature))


@dataclass(frozen=True)
class Start:
    """Lease memory of a device and launch a worker for a sweep."""

    sweep: str
    device_id: str
    lease_mib: int
    cap_mib: int
    """Of the lease, what one run may use."""
    signature: str = ""
    """Of the run that it is started for."""
    exclusive: bool = False


@dataclass(frozen=True)
class Assign:
    """Give a run to an idle worker, with a lease of its own size."""

    run_id: str
    worker_id: str
    lease_mib: int
    cap_mib: int
    exclusive: bool = False


@dataclass(frozen=True)
class Park:
    """Let an idle worker keep no more than what it holds without a run."""

    worker_id: str
    lease_mib: int


class DrainReason(StrEnum):
    """Why a worker is asked to leave."""

    IDLE = "nothing left for it to do"
    LEFTOVER = "its last run ended badly and may have left memory behind"
    SPENT = "it has had as many runs as one worker should"
    MAKE_ROOM = "others need its memory"
    HELD = "its sweep is held"
    DEVICE = "its device is drained"
    SHUTDOWN = "the system is shutting down"


@dataclass(frozen=True)
class Drain:
    """Let a worker leave."""

    worker_id: str
    reason: DrainReason
    release: bool = True
    """Whether a run that it has is released first; else it is finished."""


@dataclass(frozen=True)
class Reap:
    """Put a worker away at once: it holds more than its lease, and so endangers its neighbours."""

    worker_id: str
    message: str


@dataclass(frozen=True)
class Refuse:
    """A run that fits no device."""

    run_id: str
    message: str


Action = Start | Assign | Park | Drain | Reap | Refuse
