"""`decide`: what to do next, as a pure function of what was observed.

A run goes to an idle worker of its sweep whose lease fits it; else, where a device has a place, a worker is started
for it. Order: priority, then memory × time, the largest first, with ageing. The first line of the queue that finds no
place reserves one in the future (EASY backfill): others pass it only where they do not delay it.

    physical = free − Σ max(0, lease − observed) − growth     what is free and not yet promised
    promised = total − reserve − foreign − Σ lease            what the leases leave
    headroom = min(physical, promised) − safety               safety = max(256 MiB, 1 %)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from orchestrator.balancer.board import Board, Reservation
from orchestrator.balancer.memory import headroom_mib, safety_mib
from orchestrator.balancer.observation import (
    Action,
    Assign,
    Demand,
    Drain,
    DrainReason,
    Observation,
    Reap,
    Refuse,
    WorkerView,
)
from orchestrator.balancer.priorities import ordered
from orchestrator.records import WorkerState

__all__ = ["decide", "headroom_mib", "safety_mib"]

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
    tolerance_mib = {device.device_id: safety_mib(device) // 2 for device in observation.devices if device.attributed}
    for worker in observation.workers:
        if worker.state not in _ALIVE:
            continue
        excess = worker.observed_mib - worker.lease_mib
        if excess > tolerance_mib.get(worker.device_id, excess):
            yield Reap(worker.worker_id, f"it holds {worker.observed_mib} MiB of its lease of {worker.lease_mib} MiB")
        elif worker.spent and worker.state is WorkerState.IDLE:
            yield Drain(worker.worker_id, DrainReason.SPENT)
        elif worker.sweep in held:
            yield Drain(worker.worker_id, DrainReason.HELD)
        elif worker.device_id in observation.draining:
            yield Drain(worker.worker_id, DrainReason.DEVICE, release=observation.draining[worker.device_id])


class _Round:
    """One decision: every start and assignment is seen by those that follow."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self.board = Board(observation)
        self.reservation: Reservation | None = None
        self.waiting: list[Demand] = []

    def actions(self) -> Iterator[Action]:
        for demand in ordered(self.observation):
            if message := self.board.infeasible(demand):
                yield from (Refuse(run_id, message) for run_id in demand.run_ids)
            else:
                yield from self._serve(demand)
        yield from self._leave()

    def _serve(self, demand: Demand) -> Iterator[Action]:
        """Find a place for one run after the other, until there is none."""
        for run_id in demand.run_ids:
            if worker := self.board.fitting(demand, self.reservation):
                self.board.take(worker, demand)
                if worker.state is WorkerState.IDLE:
                    yield Assign(run_id, worker.worker_id)
            elif start := self.board.start(demand, self.reservation):
                yield start
            else:
                self.waiting.append(demand)
                self.reservation = self.reservation or self.board.reserve(demand)
                return
        if demand.count > len(demand.run_ids):
            self.waiting.append(demand)

    def _leave(self) -> Iterator[Drain]:
        """Idle workers whose lease somebody else could use, or that have had nothing to do for long."""
        for worker in self.board.idle():
            if self.waiting:
                yield Drain(worker.worker_id, DrainReason.MAKE_ROOM)
            elif worker.idle_s > self.observation.idle_worker_s:
                yield Drain(worker.worker_id, DrainReason.IDLE)


def _drain_all(workers: Iterable[WorkerView], reason: DrainReason) -> Iterator[Drain]:
    return (Drain(worker.worker_id, reason) for worker in workers if worker.state in _ALIVE)
