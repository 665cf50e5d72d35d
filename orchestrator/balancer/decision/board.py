"""What is left of every device in the course of one decision: memory, slots, compute, and the worker that is free.

Starts and assignments of the same decision are entered here at once, so the next ones see them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.balancer.decision.memory import lease_mib
from orchestrator.balancer.decision.observation import Assign, Demand, Observation, Start, WorkerView
from orchestrator.balancer.decision.place import Place, place_of
from orchestrator.balancer.decision.reservation import Reservation, reservation_on
from orchestrator.balancer.decision.throughput import worth_adding
from orchestrator.records import WorkerState

_SIBLING_FACTOR = 1.2
"""How much more the further runs of a signature are given until one has finished, so that one at most goes over."""
_ELSEWHERE_S = 3600.0
"""How long a run waits for another GPU than the one that it failed on."""
_CAN_WORK = frozenset({WorkerState.STARTING, WorkerState.IDLE})


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
        self.places = {device.device_id: place_of(device, observation) for device in observation.devices}
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
        starting = (worker for worker in self._free if worker.state is WorkerState.STARTING)
        coming = [
            worker for worker in starting if _is_meant(worker, demand) and not self.is_shunned(worker.device_id, demand)
        ]
        for worker in coming[:1]:
            self._free.remove(worker)
        return coming[0] if coming else None

    def place_run(self, run_id: str, demand: Demand, reservation: Reservation | None) -> Assign | Start | None:
        """Give a run the place that it fits best, and enter that; None where there is none."""
        near = [place for place in self._open if not place.is_saturated and place.could_hold(demand)]
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
        open_ones = ((name, place) for name, place in self.places.items() if not place.closed)
        places = (place for name, place in open_ones if not self.is_shunned(name, demand))
        found = (reservation_on(place, demand, self.need_mib(place, demand)) for place in places)
        return min(filter(None, found), key=lambda one: (one.in_s, -one.extra_mib), default=None)

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
        if place.closed or self.is_shunned(device.device_id, demand):
            return place.closed or "it failed there, and another GPU is tried first"
        if place.worker_for(demand) is None and len(place.workers) >= device.slots:
            return "its one slot is taken" if device.slots == 1 else f"all {device.slots} slots are taken"
        if place.at_work and (place.exclusive or demand.exclusive):
            return "it is taken exclusively" if place.exclusive else "it is not empty, and the run wants it for itself"
        if place.ramping and not device.attributed:
            return "a run beside it is still taking its memory, which this driver does not tell apart"
        if not worth_adding(place.loads, self._observation.load(device, demand.signature), settled=place.is_settled):
            return "one run more would slow the others down by as much as it brings"
        return ""

    def is_shunned(self, device_id: str, demand: Demand) -> bool:
        """Whether a run of the demand failed on the device's GPU and is to be tried on another one first."""
        failed_on = {self._gpu(name) for name in demand.shuns}
        if self._gpu(device_id) not in failed_on or demand.waited_s > _ELSEWHERE_S:
            return False
        others = (place for name, place in self.places.items() if self._gpu(name) not in failed_on)
        return any(self._could_take(place, demand) for place in others if not place.closed)

    def _gpu(self, device_id: str) -> str:
        place = self.places.get(device_id)
        return (place and place.device.gpu) or device_id

    def _could_take(self, place: Place, demand: Demand) -> bool:
        """Whether the device has enough for a run of the demand once ours there are over."""
        return lease_mib(place.device, self.need_mib(place, demand)) <= place.left_by_foreigners_mib

    def _signatures_on(self, model: str) -> set[str]:
        return {name for place in self.places.values() if place.device.model == model for name in place.under_way}

    def _offer(self, place: Place, demand: Demand, reservation: Reservation | None) -> Offer | None:
        own = lease_mib(place.device, self.need_mib(place, demand))
        worker = place.worker_for(demand)
        available = place.available_mib(worker)
        if own > available or self.why_closed(place, demand):
            return None
        if reservation and not reservation.allows(place.device.device_id, own, demand.expected_s):
            return None
        return Offer(place, max(own, available) if demand.exclusive else own, worker)

    def _fit(self, offer: Offer, demand: Demand) -> tuple[bool, bool, int, bool, str]:
        """Devices without foreigners first, then those where nobody is slowed down, the tightest, and warm workers."""
        place = offer.place
        loads = (*place.loads, self._observation.load(place.device, demand.signature))
        known = [one if one is not None else 1.0 for one in loads]
        crowded = len(known) > 1 and sum(known) > 1.0
        left = place.available_mib(offer.worker) - offer.lease_mib
        return (place.device.avoided, crowded, left, offer.worker is None, place.device.device_id)

    def _enter(self, offer: Offer, demand: Demand) -> None:
        place, worker = offer.place, offer.worker
        place.enter(demand, offer.lease_mib, worker, self._observation.load(place.device, demand.signature))
        if worker:
            self._free.remove(worker)
        if place.exclusive:
            self._open.remove(place)


def _is_meant(worker: WorkerView, demand: Demand) -> bool:
    return (worker.sweep, worker.signature, worker.exclusive) == (demand.sweep, demand.signature, demand.exclusive)
