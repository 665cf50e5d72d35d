"""What is left of every device in the course of one decision: memory, slots, compute, and the worker that is free.

Starts and assignments of the same decision are entered here at once, so the next ones see them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from orchestrator.balancer.memory import capacity_mib, headroom_mib, lease_mib
from orchestrator.balancer.observation import Demand, Device, Observation, Start, WorkerView
from orchestrator.balancer.throughput import worth_adding
from orchestrator.records import WorkerState

_TIGHT = 0.8
"""Share of a lease that a run must need where memory is scarce."""
_SIBLING_FACTOR = 1.6
"""How much more the further runs of an unproven signature are given while the first one has not passed its epoch."""
_SOON_S = 30.0
"""Time that idle workers take to leave."""
_CAN_WORK = frozenset({WorkerState.STARTING, WorkerState.IDLE})


@dataclass
class Place:
    """One device in the course of a decision."""

    device: Device
    headroom_mib: int
    capacity_mib: int
    """The largest cap that a run could ever have here."""
    workers: list[WorkerView]
    loads: list[float | None]
    """Share of the device that each run keeps busy; None where it is not known."""
    under_way: set[str] = field(default_factory=set)
    """Signatures of the runs that are here or on their way."""
    exclusive: bool = False
    ramping: bool = False
    closed: str = ""
    """Why nothing starts here."""
    roomy: bool = False
    """Whether the slots run out before the memory does, whatever is queued."""

    @property
    def fair_share_mib(self) -> int:
        """Memory that each of its slots could have."""
        return (self.capacity_mib + self.device.overhead_mib) // max(self.device.slots, 1)

    @property
    def is_open(self) -> bool:
        """Whether a worker can start here, memory aside."""
        return not self.closed and not self.exclusive and len(self.workers) < self.device.slots


@dataclass(frozen=True)
class Reservation:
    """Where and when the first line of the queue that finds no place will have one."""

    device_id: str
    in_s: float
    """Infinite where the ends of the runs before it are not known."""
    extra_mib: int
    """What will be left beside it."""

    def allows(self, device_id: str, lease_mib: int, expected_s: float) -> bool:
        """Whether a lease given now would not delay it."""
        if device_id != self.device_id or lease_mib <= self.extra_mib:
            return True
        return math.isfinite(self.in_s) and expected_s <= self.in_s


class Board:
    """All devices and workers in the course of one decision."""

    def __init__(self, observation: Observation) -> None:
        self._observation = observation
        self._largest = _largest_caps(observation)
        self.places = {device.device_id: self._place(device) for device in observation.devices}
        self._open = [place for place in self.places.values() if place.is_open]
        by_capacity = sorted(self.places.items(), key=lambda item: item[1].capacity_mib)
        self._largest_of = {place.device.model: (name, place) for name, place in by_capacity}
        self._free = [
            worker
            for worker in observation.workers
            if worker.state in _CAN_WORK and not worker.settling and worker.device_id in self.places
        ]

    def idle(self) -> Iterator[WorkerView]:
        """Idle workers that this decision has given nothing."""
        return (worker for worker in self._free if worker.state is WorkerState.IDLE)

    def fitting(self, demand: Demand, reservation: Reservation | None) -> WorkerView | None:
        """The free worker that fits a run of the demand best; one that is starting counts as help on its way."""
        fits = [
            worker for worker in self._free if worker.sweep == demand.sweep and self._fits(worker, demand, reservation)
        ]
        return min(fits, key=lambda one: _preference(one, demand), default=None)

    def take(self, worker: WorkerView, demand: Demand) -> None:
        """Enter that a free worker gets a run of the demand."""
        self._free.remove(worker)
        place = self.places[worker.device_id]
        place.under_way.add(demand.signature)
        if worker.state is WorkerState.IDLE:
            place.loads.append(self._load(place.device, demand.signature))

    def start(self, demand: Demand, reservation: Reservation | None) -> Start | None:
        """A new worker for a run of the demand where it fits best, entered at once; None where there is no place."""
        near = [place for place in self._open if _could_hold(place, demand)]
        offers = [offer for place in near if (offer := self._offer(place, demand, reservation))]
        if not offers:
            return None
        start = min(offers, key=lambda one: self._fit(one, demand))
        place = self.places[start.device_id]
        place.headroom_mib -= start.lease_mib
        place.workers.append(
            WorkerView("", start.sweep, start.device_id, start.lease_mib, 0, WorkerState.STARTING, ramping=True)
        )
        place.loads.append(self._load(place.device, demand.signature))
        place.under_way.add(demand.signature)
        place.exclusive, place.ramping = place.exclusive or start.exclusive, True
        if not place.is_open:
            self._open.remove(place)
        return start

    def infeasible(self, demand: Demand) -> str:
        """Why no device could ever take a run of the demand; empty where one could, and where no device is known."""
        spare = {
            name: place.capacity_mib - demand.needs_mib[model] for model, (name, place) in self._largest_of.items()
        }
        if not spare or max(spare.values()) >= 0:
            return ""
        best = self.places[max(spare, key=lambda name: spare[name])]
        need, name = demand.needs_mib[best.device.model], best.device.name or best.device.device_id
        return f"needs {need} MiB; the largest device, {name}, can give {best.capacity_mib} MiB"

    def reserve(self, demand: Demand) -> Reservation | None:
        """Where the demand will have its place first, from the expected ends of what runs there."""
        found = [
            reserved
            for place in self.places.values()
            if not place.closed and (reserved := self._reserved(place, demand))
        ]
        return min(found, key=lambda one: (one.in_s, -one.extra_mib), default=None)

    def need_mib(self, place: Place, demand: Demand) -> int:
        """Cap of one run of the demand on the device; more where its signature is tried out for the first time."""
        need = demand.needs_mib[place.device.model]
        first = demand.signature not in self._signatures_on(place.device.model)
        if place.device.model not in demand.unproven or first:
            return need
        return max(need, min(round(need * _SIBLING_FACTOR), place.capacity_mib))

    def why_closed(self, place: Place, demand: Demand) -> str:
        """Why a run of the demand cannot start on the device, whatever memory it has; empty where it could."""
        device = place.device
        if place.closed:
            return place.closed
        if len(place.workers) >= device.slots:
            return f"all {device.slots} slots are taken"
        if place.workers and (place.exclusive or demand.exclusive):
            return "it is taken exclusively" if place.exclusive else "it is not empty, and the run wants it for itself"
        if place.ramping and not device.attributed:
            return "a run beside it is still taking its memory, which this driver does not tell apart"
        if not worth_adding(place.loads, self._load(device, demand.signature)):
            return "one run more would slow the others down by as much as it brings"
        return ""

    def _place(self, device: Device) -> Place:
        here = [worker for worker in self._observation.workers if worker.device_id == device.device_id]
        busy = [worker for worker in here if worker.state is not WorkerState.IDLE]
        closed = device.trouble or device.blind
        place = Place(
            device,
            headroom_mib(device, here),
            capacity_mib(device),
            here,
            loads=[
                self._load(device, worker.signature) for worker in busy if worker.state is not WorkerState.RELEASING
            ],
            under_way={worker.signature for worker in busy},
            exclusive=any(worker.exclusive for worker in here),
            ramping=any(worker.ramping or worker.state is WorkerState.STARTING for worker in here),
            closed="it is drained" if device.device_id in self._observation.draining else closed,
        )
        place.roomy = place.fair_share_mib >= lease_mib(device, self._largest.get(("", device.model), 0))
        return place

    def _load(self, device: Device, signature: str) -> float | None:
        return self._observation.loads.get((device.model, signature))

    def _signatures_on(self, model: str) -> set[str]:
        return {name for place in self.places.values() if place.device.model == model for name in place.under_way}

    def _fits(self, worker: WorkerView, demand: Demand, reservation: Reservation | None) -> bool:
        place = self.places[worker.device_id]
        if place.device.trouble or worker.exclusive != demand.exclusive:
            return False
        room = worker.lease_mib - place.device.overhead_mib
        need = demand.needs_mib[place.device.model]
        meant = worker.fresh and worker.signature == demand.signature
        enough = need <= room and (place.roomy or worker.exclusive or meant or need >= _TIGHT * room)
        if not enough or (
            reservation and not reservation.allows(worker.device_id, worker.lease_mib, demand.expected_s)
        ):
            return False
        starting = worker.state is WorkerState.STARTING
        return starting or worth_adding(place.loads, self._load(place.device, demand.signature))

    def _offer(self, place: Place, demand: Demand, reservation: Reservation | None) -> Start | None:
        if self.why_closed(place, demand):
            return None
        device = place.device
        need = self.need_mib(place, demand)
        own = lease_mib(device, need)
        if own > place.headroom_mib:
            return None
        if reservation and not reservation.allows(device.device_id, own, demand.expected_s):
            return None
        lease = self._generous_mib(place, demand, own)
        return Start(
            demand.sweep, device.device_id, lease, lease - device.overhead_mib, demand.signature, demand.exclusive
        )

    def _generous_mib(self, place: Place, demand: Demand, own_mib: int) -> int:
        """The lease itself, or more where nobody else could use it: so the worker can serve other runs too."""
        if demand.exclusive:
            return max(own_mib, place.headroom_mib)
        if not place.roomy:
            return own_mib
        largest = lease_mib(place.device, self._largest.get((demand.sweep, place.device.model), 0))
        return max(own_mib, min(largest, place.headroom_mib, place.fair_share_mib))

    def _fit(self, start: Start, demand: Demand) -> tuple[bool, bool, int, str]:
        """Devices without foreigners first, then those where it slows nobody down, then the tightest."""
        place = self.places[start.device_id]
        load = self._load(place.device, demand.signature)
        known = [one if one is not None else 1.0 for one in (*place.loads, load)]
        crowded = len(known) > 1 and sum(known) > 1.0
        return (place.device.avoided, crowded, place.headroom_mib - start.lease_mib, start.device_id)

    def _reserved(self, place: Place, demand: Demand) -> Reservation | None:
        device = place.device
        need = lease_mib(device, self.need_mib(place, demand))
        if need > place.capacity_mib + device.overhead_mib:
            return None
        ends = sorted((_end_s(worker), worker.lease_mib) for worker in place.workers)
        available, free_slots = place.headroom_mib, device.slots - len(place.workers)
        for number, (end_s, lease) in enumerate(ends, 1):
            available, free_slots = available + lease, free_slots + 1
            last = number == len(ends)
            if available >= need and free_slots > 0 and (last or not (demand.exclusive or place.exclusive)):
                return Reservation(device.device_id, end_s, 0 if demand.exclusive else available - need)
        return None


def _could_hold(place: Place, demand: Demand) -> bool:
    return demand.needs_mib[place.device.model] + place.device.overhead_mib <= place.headroom_mib


def _end_s(worker: WorkerView) -> float:
    return _SOON_S if worker.state in (WorkerState.IDLE, WorkerState.RELEASING) else worker.ends_in_s


def _preference(worker: WorkerView, demand: Demand) -> tuple[bool, bool, int, str]:
    """Idle before starting, started for such a run before others, then the smallest lease."""
    return (
        worker.state is not WorkerState.IDLE,
        worker.signature != demand.signature,
        worker.lease_mib,
        worker.worker_id,
    )


def _largest_caps(observation: Observation) -> dict[tuple[str, str], int]:
    """The largest cap that is queued, by sweep and model; under the sweep "", of all."""
    largest: dict[tuple[str, str], int] = {}
    for demand in observation.demands:
        for model, need in demand.needs_mib.items():
            for key in ((demand.sweep, model), ("", model)):
                largest[key] = max(largest.get(key, 0), need)
    return largest
