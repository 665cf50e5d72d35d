"""One device in the course of a decision: what is left of it for the next run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property

from orchestrator.balancer.decision.memory import capacity_mib, parked_mib, physical_mib, promised_mib, returning_mib
from orchestrator.balancer.decision.observation import Demand, Device, Observation, WorkerView
from orchestrator.balancer.decision.throughput import is_saturated
from orchestrator.records import WorkerState

_JUST_S = 5.0
"""Time after its end in which a run counts as one that the next one replaces."""


@dataclass
class Place:
    """One device in the course of a decision."""

    device: Device
    physical_mib: int
    """What is free and promised to nobody; see `memory`."""
    promised_mib: int
    """What the leases leave; idle workers hold no more than they need without a run."""
    capacity_mib: int
    """The largest cap that a run could ever have here."""
    workers: list[WorkerView]
    loads: list[float | None]
    """Share of the device that each run keeps busy; None where it is not known."""
    under_way: set[str] = field(default_factory=set)
    """Signatures of the runs that are here or on their way."""
    at_work: int = 0
    """Workers that have a run or will have one."""
    exclusive: bool = False
    ramping: bool = False
    closed: str = ""
    """Why nothing starts here."""
    returning_mib: int = 0
    """What last runs of idle workers still held, in all; see `returning_mib`."""
    idle: dict[str, list[WorkerView]] = field(default_factory=dict)
    """Idle workers that this decision has given nothing, by sweep."""

    @property
    def name(self) -> str:
        """What people call the device."""
        return self.device.name or self.device.device_id

    @property
    def headroom_mib(self) -> int:
        """What may be leased now."""
        return min(self.physical_mib, self.promised_mib)

    @cached_property
    def is_saturated(self) -> bool:
        """Whether no further run is worth adding; forgotten when one is entered."""
        return is_saturated(self.loads, settled=self.is_settled)

    @property
    def is_settled(self) -> bool:
        """Whether the rates of its runs can be told, or a run more only replaces one that has just ended."""
        just_ended = (worker for workers in self.idle.values() for worker in workers if worker.idle_s < _JUST_S)
        return not self.ramping or any(just_ended)

    @property
    def left_by_foreigners_mib(self) -> int:
        """The largest lease that a run could have here beside the foreigners of now."""
        return self.capacity_mib + self.device.overhead_mib - self.device.foreign_mib - self.device.growth_mib

    @property
    def is_open(self) -> bool:
        """Whether a run can start here, memory aside."""
        return not self.closed and not self.exclusive

    def worker_for(self, demand: Demand) -> WorkerView | None:
        """An idle worker of the sweep on the device; the one that ran such a run before others."""
        mine = self.idle.get(demand.sweep, ())
        return min(mine, key=lambda one: (one.signature != demand.signature, one.worker_id), default=None)

    def available_mib(self, worker: WorkerView | None) -> int:
        """What a run may be leased, as the next run of an idle worker there, or of a new worker."""
        parked = parked_mib(self.device, worker) if worker else 0
        physical = self.physical_mib + returning_mib(self.device, worker)
        return min(physical, self.promised_mib) + parked

    def could_hold(self, demand: Demand) -> bool:
        """Whether a run of the demand might fit, as the next one of whichever worker."""
        most_mib = min(self.physical_mib + self.returning_mib, self.promised_mib)
        return demand.needs_mib[self.device.model] <= most_mib

    def enter(self, demand: Demand, lease_mib: int, worker: WorkerView | None, load: float | None) -> None:
        """Count a run that is given a lease here: the next one of an idle worker, or of a new worker."""
        parked = parked_mib(self.device, worker) if worker else 0
        self.promised_mib -= lease_mib - parked
        self.physical_mib -= max(0, lease_mib - parked - returning_mib(self.device, worker))
        self.at_work += 1
        self.loads.append(load)
        self.under_way.add(demand.signature)
        self.exclusive, self.ramping = self.exclusive or demand.exclusive, True
        vars(self).pop("is_saturated", None)
        if worker:
            self.idle[demand.sweep].remove(worker)
            self.returning_mib -= returning_mib(self.device, worker)
            self.workers.remove(worker)
        here = self.device.device_id
        self.workers.append(WorkerView("", demand.sweep, here, lease_mib, 0, WorkerState.BUSY, ramping=True))


def place_of(device: Device, observation: Observation) -> Place:
    """The device as it was observed."""
    here = [worker for worker in observation.workers if worker.device_id == device.device_id]
    busy = [worker for worker in here if worker.state is not WorkerState.IDLE or worker.settling]
    parked = [w if w in busy else replace(w, lease_mib=parked_mib(device, w)) for w in here]
    idle = [worker for worker in here if worker not in busy]
    training = [worker for worker in busy if worker.state is not WorkerState.RELEASING and not worker.settling]
    drained = "it is drained" if device.device_id in observation.draining else ""
    return Place(
        device,
        physical_mib(device, parked),
        promised_mib(device, parked),
        capacity_mib(device),
        here,
        loads=[observation.load(device, worker.signature) for worker in training],
        under_way={worker.signature for worker in busy},
        at_work=len(busy),
        exclusive=any(worker.exclusive for worker in busy),
        ramping=any(worker.ramping or worker.state is WorkerState.STARTING for worker in here),
        closed=drained or device.trouble or device.blind,
        returning_mib=sum(returning_mib(device, worker) for worker in idle),
        idle=_by_sweep(idle),
    )


def _by_sweep(workers: Iterable[WorkerView]) -> dict[str, list[WorkerView]]:
    found: dict[str, list[WorkerView]] = {}
    for worker in workers:
        found.setdefault(worker.sweep, []).append(worker)
    return found
