"""What is left of every device in the course of one decision: memory, slots, compute, and the worker that is free.

Starts and assignments of the same decision are entered here at once, so the next ones see them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from orchestrator.balancer.memory import capacity_mib, lease_mib, physical_mib, promised_mib
from orchestrator.balancer.observation import Assign, Demand, Device, Observation, Start, WorkerView
from orchestrator.balancer.throughput import is_saturated, worth_adding
from orchestrator.records import WorkerState

_SIBLING_FACTOR = 1.2
"""How much more the further runs of a signature are given until one has finished, so that one at most goes over."""
_JUST_S = 5.0
_SOON_S = 30.0
"""Time that a worker which is leaving takes to leave."""
_CAN_WORK = frozenset({WorkerState.STARTING, WorkerState.IDLE})


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
    def most_mib(self) -> int:
        """More than any run could be leased now."""
        return min(self.physical_mib + self.returning_mib, self.promised_mib) + self.device.overhead_mib

    @property
    def is_open(self) -> bool:
        """Whether a run can start here, memory aside."""
        return not self.closed and not self.exclusive


@dataclass(frozen=True)
class Reservation:
    """Where and when the first line of the queue that finds no place will have one."""

    device_id: str
    in_s: float
    """Infinite where the ends of the runs before it are not known."""
    extra_mib: int
    """What will be left beside it."""
    exclusive: bool = False

    def allows(self, device_id: str, lease_mib: int, expected_s: float) -> bool:
        """Whether a lease given now would not delay it."""
        if device_id != self.device_id or lease_mib <= self.extra_mib:
            return True
        return math.isfinite(self.in_s) and expected_s <= self.in_s


@dataclass(frozen=True)
class Offer:
    """A place for one run: a lease on a device, for a worker that is there or for a new one."""

    place: Place
    lease_mib: int
    worker: WorkerView | None

    @property
    def cap_mib(self) -> int:
        """Of the lease, what the run may use."""
        return self.lease_mib - self.place.device.overhead_mib


class Board:
    """All devices and workers in the course of one decision."""

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self.places = {device.device_id: self._place(device) for device in observation.devices}
        by_capacity = sorted(self.places.values(), key=lambda place: place.capacity_mib)
        self._largest = {place.device.model: place for place in by_capacity}
        self._open = [place for place in self.places.values() if place.is_open]
        self._free = [
            worker
            for worker in observation.workers
            if worker.state in _CAN_WORK and not worker.settling and worker.device_id in self.places
        ]

    def idle(self) -> Iterator[WorkerView]:
        """Idle workers that this decision has given nothing."""
        return (worker for worker in self._free if worker.state is WorkerState.IDLE)

    def expected(self, demand: Demand) -> WorkerView | None:
        """A worker that is starting, and that a run of the demand will be given."""
        coming = [worker for worker in self._free if worker.state is WorkerState.STARTING and _is_meant(worker, demand)]
        for worker in coming[:1]:
            self._free.remove(worker)
        return coming[0] if coming else None

    def place_run(self, run_id: str, demand: Demand, reservation: Reservation | None) -> Assign | Start | None:
        """Give a run the place that it fits best, and enter that; None where there is none."""
        near = [place for place in self._open if not place.is_saturated and _could_hold(place, demand)]
        offers = [offer for place in near if (offer := self._offer(place, demand, reservation))]
        if not offers:
            return None
        offer = min(offers, key=lambda one: self._fit(one, demand))
        self._enter(offer, demand)
        lease, cap, signature = offer.lease_mib, offer.cap_mib, demand.signature
        if offer.worker:
            return Assign(run_id, offer.worker.worker_id, lease, cap, demand.exclusive)
        return Start(demand.sweep, offer.place.device.device_id, lease, cap, signature, demand.exclusive)

    def infeasible(self, demand: Demand) -> str:
        """Why no device could ever take a run of the demand; empty where one could, and where no device is known."""
        spare = {model: place.capacity_mib - demand.needs_mib[model] for model, place in self._largest.items()}
        if not spare or max(spare.values()) >= 0:
            return ""
        best = self._largest[max(spare, key=lambda model: spare[model])]
        need = demand.needs_mib[best.device.model]
        return f"needs {need} MiB; the largest device, {best.name}, can give {best.capacity_mib} MiB"

    def reserve(self, demand: Demand) -> Reservation | None:
        """Where the demand will have its place first, from the expected ends of what runs there."""
        places = (place for place in self.places.values() if not place.closed)
        found = [reserved for place in places if (reserved := self._reserved(place, demand))]
        return min(found, key=lambda one: (one.in_s, -one.extra_mib), default=None)

    def need_mib(self, place: Place, demand: Demand) -> int:
        """Cap of one run of the demand on the device; more where its signature is tried out for the first time."""
        model = place.device.model
        need = demand.needs_mib[model]
        if model not in demand.unproven or demand.signature not in self._signatures_on(model):
            return need
        return max(need, min(round(need * _SIBLING_FACTOR), place.capacity_mib))

    def why_closed(self, place: Place, demand: Demand) -> str:
        """Why a run of the demand cannot start on the device, whatever memory it has; empty where it could."""
        device = place.device
        if place.closed:
            return place.closed
        if self._worker_for(place, demand) is None and len(place.workers) >= device.slots:
            return "its one slot is taken" if device.slots == 1 else f"all {device.slots} slots are taken"
        if place.at_work and (place.exclusive or demand.exclusive):
            return "it is taken exclusively" if place.exclusive else "it is not empty, and the run wants it for itself"
        if place.ramping and not device.attributed:
            return "a run beside it is still taking its memory, which this driver does not tell apart"
        if not worth_adding(place.loads, self._load(device, demand.signature), settled=place.is_settled):
            return "one run more would slow the others down by as much as it brings"
        return ""

    def _place(self, device: Device) -> Place:
        here = [worker for worker in self._observation.workers if worker.device_id == device.device_id]
        busy = [worker for worker in here if worker.state is not WorkerState.IDLE or worker.settling]
        parked = [w if w in busy else replace(w, lease_mib=parked_mib(device, w)) for w in here]
        idle = [worker for worker in here if worker not in busy]
        drained = "it is drained" if device.device_id in self._observation.draining else ""
        training = [worker for worker in busy if worker.state is not WorkerState.RELEASING and not worker.settling]
        return Place(
            device,
            physical_mib(device, parked),
            promised_mib(device, parked),
            capacity_mib(device),
            here,
            loads=[self._load(device, worker.signature) for worker in training],
            under_way={worker.signature for worker in busy},
            at_work=len(busy),
            exclusive=any(worker.exclusive for worker in busy),
            ramping=any(worker.ramping or worker.state is WorkerState.STARTING for worker in here),
            closed=drained or device.trouble or device.blind,
            returning_mib=sum(returning_mib(device, worker) for worker in idle),
            idle=_by_sweep(idle),
        )

    def _load(self, device: Device, signature: str) -> float | None:
        return self._observation.loads.get((device.model, signature))

    def _signatures_on(self, model: str) -> set[str]:
        return {name for place in self.places.values() if place.device.model == model for name in place.under_way}

    def _worker_for(self, place: Place, demand: Demand) -> WorkerView | None:
        """An idle worker of the sweep on the device; the one that ran such a run before others."""
        mine = place.idle.get(demand.sweep, ())
        return min(mine, key=lambda one: (one.signature != demand.signature, one.worker_id), default=None)

    def _offer(self, place: Place, demand: Demand, reservation: Reservation | None) -> Offer | None:
        own = lease_mib(place.device, self.need_mib(place, demand))
        worker = self._worker_for(place, demand)
        available = _available_mib(place, worker)
        if own > available or self.why_closed(place, demand):
            return None
        if reservation and not reservation.allows(place.device.device_id, own, demand.expected_s):
            return None
        return Offer(place, max(own, available) if demand.exclusive else own, worker)

    def _fit(self, offer: Offer, demand: Demand) -> tuple[bool, bool, int, bool, str]:
        """Devices without foreigners first, then those where nobody is slowed down, the tightest, and warm workers."""
        place = offer.place
        known = [one if one is not None else 1.0 for one in (*place.loads, self._load(place.device, demand.signature))]
        crowded = len(known) > 1 and sum(known) > 1.0
        left = _available_mib(place, offer.worker) - offer.lease_mib
        return (place.device.avoided, crowded, left, offer.worker is None, place.device.device_id)

    def _enter(self, offer: Offer, demand: Demand) -> None:
        place, device = offer.place, offer.place.device
        parked = parked_mib(device, offer.worker) if offer.worker else 0
        place.promised_mib -= offer.lease_mib - parked
        place.physical_mib -= max(0, offer.lease_mib - parked - returning_mib(device, offer.worker))
        place.at_work += 1
        place.loads.append(self._load(device, demand.signature))
        place.under_way.add(demand.signature)
        place.exclusive, place.ramping = place.exclusive or demand.exclusive, True
        vars(place).pop("is_saturated", None)
        if offer.worker:
            self._free.remove(offer.worker)
            place.idle[demand.sweep].remove(offer.worker)
            place.returning_mib -= returning_mib(device, offer.worker)
            place.workers.remove(offer.worker)
        if place.exclusive:
            self._open.remove(place)
        place.workers.append(
            WorkerView("", demand.sweep, device.device_id, offer.lease_mib, 0, WorkerState.BUSY, ramping=True)
        )

    def _reserved(self, place: Place, demand: Demand) -> Reservation | None:
        device = place.device
        need = lease_mib(device, self.need_mib(place, demand))
        if need > place.capacity_mib + device.overhead_mib:
            return None
        leaving = [worker for worker in place.workers if worker.state is not WorkerState.IDLE or worker.settling]
        ends = sorted((_end_s(worker), worker.lease_mib) for worker in leaving)
        available, alone = place.headroom_mib, demand.exclusive or place.exclusive
        for number, (end_s, lease) in enumerate(ends, 1):
            available += lease
            if available >= need and (number == len(ends) or not alone):
                extra = 0 if demand.exclusive else available - need
                return Reservation(device.device_id, end_s, extra, demand.exclusive)
        return None


def parked_mib(device: Device, worker: WorkerView) -> int:
    """Lease of a worker without a run: what it holds beside one, which on a GPU is nothing."""
    return min(worker.lease_mib, device.overhead_mib if device.device_id == "cpu" else 0)


def returning_mib(device: Device, worker: WorkerView | None) -> int:
    """What the last run of an idle worker still held when the device was read.

    Its next run gets that back, as it begins only after the last one's process has ended; to others it counts when it
    is seen free.
    """
    return max(0, worker.observed_mib - parked_mib(device, worker)) if worker else 0


def _by_sweep(workers: Iterable[WorkerView]) -> dict[str, list[WorkerView]]:
    found: dict[str, list[WorkerView]] = {}
    for worker in workers:
        found.setdefault(worker.sweep, []).append(worker)
    return found


def _available_mib(place: Place, worker: WorkerView | None) -> int:
    """What a run may be leased on the device, as the next run of an idle worker there, or of a new worker."""
    parked = parked_mib(place.device, worker) if worker else 0
    physical = place.physical_mib + returning_mib(place.device, worker)
    return min(physical, place.promised_mib) + parked


def _is_meant(worker: WorkerView, demand: Demand) -> bool:
    return (worker.sweep, worker.signature, worker.exclusive) == (demand.sweep, demand.signature, demand.exclusive)


def _could_hold(place: Place, demand: Demand) -> bool:
    return demand.needs_mib[place.device.model] + place.device.overhead_mib <= place.most_mib


def _end_s(worker: WorkerView) -> float:
    return worker.ends_in_s if worker.state is WorkerState.BUSY else _SOON_S
