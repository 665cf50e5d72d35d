"""`decide`: what to do next, as a pure function of what was observed.

A run gets a lease of its own size: on a device with an idle worker of its sweep, which takes the lease over, or for a
new worker. Order: priority, then memory × time, the largest first, with ageing. The first line of the queue that finds
no place reserves one in the future (EASY backfill): others pass it only where they do not delay it.

    physical = free − Σ max(0, lease − observed) − growth     what is free and not yet promised
    promised = total − reserve − foreign − Σ lease            what the leases leave
    headroom = min(physical, promised) − safety               safety = max(256 MiB, 1 %)

A lease never shrinks while a run of its worker lives. Between two runs, when no process is left that could use it, it
is set anew; a worker without a run keeps what it holds without one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from orchestrator.balancer.decision.board import Board
from orchestrator.balancer.decision.memory import parked_mib, safety_mib
from orchestrator.balancer.decision.observation import (
    Action,
    Demand,
    Device,
    Drain,
    DrainReason,
    Observation,
    Park,
    Reap,
    Refuse,
    WorkerView,
)
from orchestrator.balancer.decision.priorities import ordered
from orchestrator.balancer.decision.reservation import Reservation
from orchestrator.records import WorkerState

_ALIVE = frozenset({WorkerState.STARTING, WorkerState.IDLE, WorkerState.BUSY})


def decide(observation: Observation) -> tuple[Action, ...]:
    """Everything that should happen now."""
    if observation.shutting_down:
        return tuple(_drain_all(observation.workers, DrainReason.SHUTDOWN))
    leaving = list(_leaving(observation))
    gone = {action.worker_id for action in leaving}
    workers = tuple(
        replace(worker, state=WorkerState.DRAINING) if worker.worker_id in gone else worker
        for worker in observation.workers
    )
    return (*leaving, *_Round(replace(observation, workers=workers)).actions())


def _leaving(observation: Observation) -> Iterator[Drain | Reap]:
    """Workers that must go whatever is queued."""
    held = {sweep.name for sweep in observation.sweeps if sweep.held}
    devices = {device.device_id: device for device in observation.devices}
    for worker in observation.workers:
        if worker.state not in _ALIVE:
            continue
        if action := _unfit(worker, devices.get(worker.device_id)):
            yield action
        elif worker.sweep in held:
            yield Drain(worker.worker_id, DrainReason.HELD)
        elif worker.device_id in observation.draining:
            yield Drain(worker.worker_id, DrainReason.DEVICE, release=observation.draining[worker.device_id])


def _unfit(worker: WorkerView, device: Device | None) -> Drain | Reap | None:
    """What becomes of a worker that holds too much, has had its share or may have left memory behind; else None."""
    idle = worker.state is WorkerState.IDLE
    if device and device.attributed and worker.excess_mib > safety_mib(device) // 2:
        return Reap(worker.worker_id, f"it holds {worker.observed_mib} MiB of its lease of {worker.lease_mib} MiB")
    if idle and worker.spent:
        return Drain(worker.worker_id, DrainReason.SPENT)
    if idle and worker.settling and device and not device.attributed:
        return Drain(worker.worker_id, DrainReason.LEFTOVER)
    return None


class _Round:
    """One decision: every start and assignment is seen by those that follow."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self.board = Board(observation)
        self.reservation: Reservation | None = None
        self.waiting: list[Demand] = []

    def actions(self) -> Iterator[Action]:
        given: list[Action] = []
        for demand in ordered(self.observation):
            if message := self.board.infeasible(demand):
                given += (Refuse(run_id, message) for run_id in demand.run_ids)
            else:
                given += self._serve(demand)
        return iter([*self._make_way(), *given])

    def _serve(self, demand: Demand) -> Iterator[Action]:
        """Find a place for one run after the other, until there is none."""
        for run_id in demand.run_ids:
            if self.board.expected(demand):
                continue
            if action := self.board.place_run(run_id, demand, self.reservation):
                yield action
                continue
            self.waiting.append(demand)
            self.reservation = self.reservation or self.board.reserve(demand)
            return
        if demand.count > len(demand.run_ids):
            self.waiting.append(demand)

    def _make_way(self) -> Iterator[Action]:
        """Idle workers that got nothing give their memory back, and leave where others need their slot."""
        for worker in self.board.idle():
            parked = parked_mib(self.board.places[worker.device_id].device, worker)
            if parked < worker.lease_mib:
                yield Park(worker.worker_id, parked)
            if self._is_in_the_way(worker):
                yield Drain(worker.worker_id, DrainReason.MAKE_ROOM)
            elif worker.idle_s > self.observation.idle_worker_s:
                yield Drain(worker.worker_id, DrainReason.IDLE)

    def _is_in_the_way(self, worker: WorkerView) -> bool:
        """Whether a run waits that the worker cannot take and whose worker finds no slot beside it."""
        place = self.board.places[worker.device_id]
        others = any(demand.sweep != worker.sweep for demand in self.waiting)
        is_full = len(place.workers) >= place.device.slots
        return bool(self.waiting) and (bool(place.device.trouble) or (others and is_full))


def _drain_all(workers: Iterable[WorkerView], reason: DrainReason) -> Iterator[Drain]:
    return (Drain(worker.worker_id, reason) for worker in workers if worker.state in _ALIVE)
