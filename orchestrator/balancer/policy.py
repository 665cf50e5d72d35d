"""`decide`: what to do next, as a pure function of what was observed.

A run goes to an idle worker of its sweep whose lease, less the worker's own overhead, fits it; else, where a device has
a free slot and headroom, a worker is started for it, with a lease for the largest pending run of the sweep if that can
be had, so that the worker can be used again. Order: priority, then place in the queue.

    physical = free − Σ max(0, lease − observed)         what is free and not yet promised
    promised = total − reserve − foreign − Σ lease       what the leases leave
    headroom = min(physical, promised) − safety          safety = max(256 MiB, 1 %)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from orchestrator.balancer.observation import (
    Action,
    Assign,
    Device,
    Drain,
    DrainReason,
    Observation,
    PendingRun,
    Refuse,
    Start,
    SweepView,
    WorkerView,
)
from orchestrator.records import WorkerState

_LEASE_STEP_MIB = 64


def decide(observation: Observation) -> tuple[Action, ...]:
    """Everything that should happen now."""
    if observation.shutting_down:
        return tuple(_drain_all(observation.workers, DrainReason.SHUTDOWN))
    held = {sweep.name for sweep in observation.sweeps if sweep.held}
    actions = list(_drain_all((w for w in observation.workers if w.sweep in held), DrainReason.HELD))
    rest = replace(observation, workers=tuple(w for w in observation.workers if w.sweep not in held))
    return tuple(actions + list(_Round(rest, observation.workers).actions()))


def headroom_mib(device: Device, workers: Iterable[WorkerView]) -> int:
    """Memory of the device that may be leased now, MiB; negative when too much is promised."""
    here = [worker for worker in workers if worker.device_id == device.device_id]
    observed = sum(worker.observed_mib for worker in here)
    leased = sum(worker.lease_mib for worker in here)
    foreign = max(0, device.total_mib - device.free_mib - observed)
    physical = device.free_mib - sum(max(0, worker.lease_mib - worker.observed_mib) for worker in here)
    promised = device.total_mib - device.reserve_mib - foreign - leased
    return min(physical, promised) - safety_mib(device)


def safety_mib(device: Device) -> int:
    """Memory left alone on every device, MiB."""
    return max(256, device.total_mib // 100)


class _Round:
    """One decision: every start and assignment is seen by those that follow."""

    def __init__(self, observation: Observation, holders: Iterable[WorkerView]) -> None:
        """`observation` has the workers that may get runs; `holders` are all that hold memory."""
        self.observation = observation
        self.sweeps = {sweep.name: sweep for sweep in observation.sweeps if sweep.starts}
        self.workers = list(holders)
        self.overheads_mib = {device.device_id: device.overhead_mib for device in observation.devices}
        self.free = [w for w in observation.workers if w.state in (WorkerState.IDLE, WorkerState.STARTING)]

    def actions(self) -> Iterator[Action]:
        waiting = []
        for run in self._ordered():
            if worker := self._fitting(run):
                self.free.remove(worker)
                if worker.state is WorkerState.IDLE:
                    yield Assign(run.run_id, worker.worker_id)
            elif message := self._infeasible(run):
                yield Refuse(run.run_id, message)
            elif start := self._start(run):
                yield start
            else:
                waiting.append(run)
        yield from self._leave(waiting)

    def _ordered(self) -> list[PendingRun]:
        runs = (run for run in self.observation.pending if run.sweep in self.sweeps)
        return sorted(runs, key=lambda run: (-self.sweeps[run.sweep].priority, run.sweep, run.position))

    def _fitting(self, run: PendingRun) -> WorkerView | None:
        fits = [w for w in self.free if w.sweep == run.sweep and self._room_mib(w) >= run.footprint_mib]
        return min(fits, key=lambda w: (w.state is not WorkerState.IDLE, w.lease_mib), default=None)

    def _room_mib(self, worker: WorkerView) -> int:
        return worker.lease_mib - self.overheads_mib.get(worker.device_id, 0)

    def _infeasible(self, run: PendingRun) -> str:
        devices = self.observation.devices
        most = max((d.total_mib - d.reserve_mib - d.overhead_mib - safety_mib(d) for d in devices), default=0)
        if not self.observation.devices or run.footprint_mib <= most:
            return ""
        return f"needs {run.footprint_mib} MiB; the largest device can give {most} MiB"

    def _start(self, run: PendingRun) -> Start | None:
        sweep = self.sweeps[run.sweep]
        largest = max(other.footprint_mib for other in self.observation.pending if other.sweep == run.sweep)
        for footprint_mib in sorted({largest, run.footprint_mib}, reverse=True):
            leases = {d: _lease_mib(d, footprint_mib) for d in self.observation.devices}
            fits = [d for d, lease_mib in leases.items() if self._has_place(d, sweep, lease_mib)]
            if fits:
                device = min(fits, key=lambda d: headroom_mib(d, self.workers))
                return self._launched(Start(sweep.name, device.device_id, leases[device], sweep.exclusive))
        return None

    def _launched(self, start: Start) -> Start:
        new = WorkerView("", start.sweep, start.device_id, start.lease_mib, 0, WorkerState.STARTING)
        self.workers.append(replace(new, exclusive=start.exclusive))
        return start

    def _has_place(self, device: Device, sweep: SweepView, lease_mib: int) -> bool:
        here = [worker for worker in self.workers if worker.device_id == device.device_id]
        alone = not here or not (sweep.exclusive or any(worker.exclusive for worker in here))
        return alone and len(here) < device.slots and headroom_mib(device, self.workers) >= lease_mib

    def _leave(self, waiting: list[PendingRun]) -> Iterator[Drain]:
        idle = [worker for worker in self.free if worker.state is WorkerState.IDLE]
        for worker in idle:
            if waiting:
                yield Drain(worker.worker_id, DrainReason.MAKE_ROOM)
            elif worker.idle_s > self.observation.idle_worker_s:
                yield Drain(worker.worker_id, DrainReason.IDLE)


def _lease_mib(device: Device, footprint_mib: int) -> int:
    return -(-(footprint_mib + device.overhead_mib) // _LEASE_STEP_MIB) * _LEASE_STEP_MIB


def _drain_all(workers: Iterable[WorkerView], reason: DrainReason) -> Iterator[Drain]:
    return (Drain(worker.worker_id, reason) for worker in workers if worker.state is not WorkerState.DRAINING)
