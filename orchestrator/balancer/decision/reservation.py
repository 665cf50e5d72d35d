"""Where and when the first line of the queue that finds no place will have one (EASY backfill)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from orchestrator.balancer.decision.memory import lease_mib
from orchestrator.balancer.decision.observation import Demand, WorkerView
from orchestrator.balancer.decision.place import Place
from orchestrator.records import WorkerState

_SOON_S = 30.0
"""Time that a worker which is leaving takes to leave."""


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


def reservation_on(place: Place, demand: Demand, need_mib: int) -> Reservation | None:
    """Where the device will have room for a run with a cap of `need_mib`, from the expected ends of what runs there."""
    device = place.device
    need = lease_mib(device, need_mib)
    if need > place.capacity_mib + device.overhead_mib:
        return None
    leaving = [worker for worker in place.workers if worker.state is not WorkerState.IDLE or worker.settling]
    ends = sorted((_end_s(worker), worker.lease_mib) for worker in leaving)
    available, alone = place.headroom_mib, demand.exclusive or place.exclusive
    for number, (end_s, lease) in enumerate(ends, 1):
        available += lease
        if available >= need and (number == len(ends) or not alone):
            extra = 0 if demand.exclusive else available - need
            return Reservation(device.device_id, end_s, extra)
    return None


def _end_s(worker: WorkerView) -> float:
    return worker.ends_in_s if worker.state is WorkerState.BUSY else _SOON_S
