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

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

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
    WorkerView,
)
from orchestrator.balancer.decision.place import Place
from orchestrator.balancer.decision.round import Round
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
    staying = replace(observation, workers=workers)
    found = Round(staying)
    return (*leaving, *_make_way(staying, found), *found.given)


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


def _make_way(observation: Observation, after: Round) -> Iterator[Park | Drain]:
    """Idle workers that got nothing give their memory back, and leave where others need their slot."""
    for worker in after.board.idle():
        place = after.board.places[worker.device_id]
        parked = parked_mib(place.device, worker)
        if parked < worker.lease_mib:
            yield Park(worker.worker_id, parked)
        if _is_in_the_way(worker, place, after.waiting):
            yield Drain(worker.worker_id, DrainReason.MAKE_ROOM)
        elif worker.idle_s > observation.idle_worker_s:
            yield Drain(worker.worker_id, DrainReason.IDLE)


def _is_in_the_way(worker: WorkerView, place: Place, waiting: Sequence[Demand]) -> bool:
    """Whether a run waits that the worker cannot take and whose worker finds no slot beside it."""
    others = any(demand.sweep != worker.sweep for demand in waiting)
    is_full = len(place.workers) >= place.device.slots
    return bool(waiting) and (bool(place.device.trouble) or (others and is_full))


def _drain_all(workers: Iterable[WorkerView], reason: DrainReason) -> Iterator[Drain]:
    return (Drain(worker.worker_id, reason) for worker in workers if worker.state in _ALIVE)
