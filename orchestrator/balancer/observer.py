"""Puts together what a decision may look at: readings, leases, queues and experience become one `Observation`."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.balancer.accounting import Account, Books, Lease, Rules
from orchestrator.balancer.closures import Closures
from orchestrator.balancer.decision.memory import whole_mib
from orchestrator.balancer.decision.observation import Demand, Device, Observation, SweepView, WorkerView
from orchestrator.balancer.experience import Experience
from orchestrator.balancer.launchers.port import Launched
from orchestrator.balancer.leases import Leases
from orchestrator.balancer.readings import Reading
from orchestrator.ledger import Ledger, QueueLine
from orchestrator.records import Run, Sweep, Worker, WorkerState
from orchestrator.settings import BalancerSettings
from orchestrator.states import UNDER_WAY, RunState
from worker.spec import CPU_DEVICE

_HEADS = 16
"""Runs of each line of the queue that one decision may start."""
_REMEMBERED_S = 15.0
_LEFT_BEHIND_MIB = 64
"""Memory of a worker without a run that is nobody's business."""


@dataclass(frozen=True)
class World:
    """The machine as it was last seen."""

    readings: tuple[Reading, ...]
    launched: Mapping[str, Launched]
    """Workers that live, by id."""


class Observer:
    """Reads the ledger; keeps the books between one look and the next."""

    def __init__(self, ledger: Ledger, leases: Leases, settings: BalancerSettings, rules: Rules) -> None:
        self._ledger, self._leases, self._settings = ledger, leases, settings
        self.experience = Experience(ledger.redis)
        self.books = Books(rules)
        self.closures = Closures(ledger.redis)
        self.sweeps: dict[str, Sweep] = {}
        """Sweeps with runs that are not over."""
        self.counts: dict[str, dict[RunState, int]] = {}
        """Their runs by state."""
        self.runs: dict[str, Run] = {}
        """Runs that workers have, as they were at the last refreshment."""
        self.leaving = False
        """Whether this balancer's end is to be every worker's."""
        self._pids: dict[str, dict[int, float]] = {}
        """Processes that workers had of late, each with when that was; the driver may still list one that is gone."""
        self._quarantined: Mapping[str, str] = {}
        self._drained: Mapping[str, bool] = {}
        self._shutting_down = False

    def refresh(self, runs: Mapping[str, Run]) -> None:
        """Read anew what changes seldom; `runs` are those that workers have, by their ids."""
        self.runs = dict(runs)
        counts = {name: self._ledger.counts(name) for name in self._ledger.sweeps()}
        self.counts = {name: count for name, count in counts.items() if any(count[state] for state in UNDER_WAY)}
        self.sweeps = {name: self._ledger.sweep(name) for name in self.counts}
        self._shutting_down = self._leases.shutting_down()
        self._quarantined, self._drained = self.closures.quarantined(), self.closures.drained()

    def look(self, workers: Sequence[Worker], world: World) -> tuple[Observation, Account]:
        """What a decision may look at now."""
        now = time.time()
        readings = [self._judged(reading) for reading in world.readings]
        models = {reading.device_id: reading.model for reading in readings}
        self.books.overheads_mib = {model: self.experience.overhead_mib(model) for model in set(models.values())}
        self._pids = {worker.worker_id: self._pids_of(worker, world, now) for worker in workers}
        held = {worker.worker_id: self._held_mib(worker, readings, world) for worker in workers}
        account = self.books.update(readings, [_lease(worker, held[worker.worker_id]) for worker in workers], now)
        here = {reading.device_id: reading for reading in readings}
        observation = Observation(
            devices=account.devices,
            workers=tuple(self._view(worker, account, here.get(worker.device), world, now) for worker in workers),
            sweeps=tuple(map(_sweep_view, self.sweeps.values())),
            demands=tuple(self._demands(whole_mib(account.devices), now)),
            loads=self.experience.loads(),
            idle_worker_s=self._settings.idle_worker_s,
            shutting_down=self.leaving or self._shutting_down,
            draining=self._drained,
        )
        return observation, account

    def _pids_of(self, worker: Worker, world: World, now: float) -> dict[int, float]:
        known = self._pids.get(worker.worker_id, {})
        launched = world.launched.get(worker.worker_id)
        if launched is None:
            return known
        recent = {pid: seen for pid, seen in known.items() if now - seen < _REMEMBERED_S}
        return recent | dict.fromkeys(launched.pids, now)

    def _held_mib(self, worker: Worker, readings: Sequence[Reading], world: World) -> int | None:
        """Memory of a worker's processes on its device; None where nobody tells."""
        if worker.device == CPU_DEVICE:
            launched = world.launched.get(worker.worker_id)
            return launched.memory_mib if launched else 0
        reading = next((one for one in readings if one.device_id == worker.device), None)
        pids = self._pids[worker.worker_id]
        if reading is None or reading.processes is None or (worker.gone_at and not pids):
            return None
        return sum(reading.processes.get(pid, 0) for pid in pids)

    def left_s(self, sweep: str, observation: Observation) -> float:
        """How long the sweep will take at the present number of runs at once; infinite where that is not known."""
        running = [worker.ends_in_s for worker in observation.workers if worker.sweep == sweep and worker.run_id]
        waiting = [demand for demand in observation.demands if demand.sweep == sweep]
        work_s = sum((demand.count or len(demand.run_ids)) * demand.expected_s for demand in waiting)
        return (sum(running) + work_s) / max(len(running), 1) if running or waiting else 0.0

    def _judged(self, reading: Reading) -> Reading:
        reason = self._quarantined.get(reading.device_id, "")
        return replace(reading, trouble=reading.trouble or (reason and f"quarantined after {reason}"))

    def _demands(self, models: Mapping[str, int], now: float) -> Iterable[Demand]:
        starting = [sweep for sweep in self.sweeps.values() if not (sweep.hold or sweep.paused)]
        lines = ((sweep.name, line) for sweep in starting for line in self._ledger.queue(sweep.name, _HEADS))
        return (self._demand(name, line, models, now) for name, line in lines)

    def _demand(self, sweep: str, line: QueueLine, models: Mapping[str, int], now: float) -> Demand:
        group, experience = line.group, self.experience
        return Demand(
            sweep=sweep,
            run_ids=line.run_ids,
            needs_mib={model: experience.cap_mib(group, model, whole) for model, whole in models.items()},
            count=line.size,
            signature=group.signature,
            rank=line.rank,
            expected_s=experience.expected_s(group, models),
            work=group.work_gflop,
            waited_s=now - line.waits_since,
            exclusive=group.exclusive,
            shuns=group.shuns,
            unproven=frozenset(m for m in models if not (group.fixed or experience.of(group.signature, m).is_proven)),
        )

    def _view(self, worker: Worker, account: Account, reading: Reading | None, world: World, now: float) -> WorkerView:
        run = self.runs.get(worker.run_id)
        return WorkerView(
            worker.worker_id,
            worker.sweep,
            worker.device,
            worker.lease_mib,
            account.observed_mib.get(worker.worker_id, 0),
            worker.state,
            run_id=worker.run_id,
            idle_s=now - worker.idle_since if worker.state is WorkerState.IDLE else 0.0,
            exclusive=worker.exclusive,
            ramping=_is_ramping(worker),
            signature=worker.signature,
            ends_in_s=run.ends_in_s if run and run.token else math.inf,
            spent=worker.served >= self._settings.runs_per_worker,
            settling=_is_settling(worker, account, reading),
            measured=self._is_measured(worker, reading, world),
            launched_at=worker.created_at,
        )

    def _is_measured(self, worker: Worker, reading: Reading | None, world: World) -> bool:
        """Whether what it was seen to hold is of its present run: that has begun, and the last one is not listed."""
        run, launched = self.runs.get(worker.run_id), world.launched.get(worker.worker_id)
        if not (run and launched and reading and run.state is RunState.RUNNING and reading.at > run.started_at):
            return False
        return not (self._pids[worker.worker_id].keys() - launched.pids) & (reading.processes or {}).keys()


def _lease(worker: Worker, held_mib: int | None) -> Lease:
    return Lease(
        worker.worker_id,
        worker.device,
        worker.lease_mib,
        held_mib,
        quiet=worker.left_nothing if worker.gone_at else not worker.run_id,
        ramping=_is_ramping(worker),
        since=worker.assigned_at,
        gone_at=worker.gone_at,
    )


def _is_ramping(worker: Worker) -> bool:
    return bool(worker.run_id) and not worker.steady


def _is_settling(worker: Worker, account: Account, reading: Reading | None) -> bool:
    """Whether what a run left behind when it ended badly may still be there; where nobody tells, it may."""
    since = worker.settling_since
    if not since or worker.device == CPU_DEVICE:
        return False
    if reading is None or reading.processes is None:
        return True
    return reading.at <= since or account.observed_mib.get(worker.worker_id, 0) > _LEFT_BEHIND_MIB


def _sweep_view(sweep: Sweep) -> SweepView:
    return SweepView(sweep.name, sweep.policy.priority, not (sweep.hold or sweep.paused), sweep.hold)


def rates_by_device(
    workers: Iterable[Worker], runs: Mapping[str, Run], devices: Iterable[Device]
) -> dict[str, list[tuple[str, float]]]:
    """Steps per second (signature, rate) of the runs on each device where all have passed an epoch."""
    busy = [worker for worker in workers if worker.run_id]
    found: dict[str, list[tuple[str, float]]] = {}
    for device in devices:
        here = [worker for worker in busy if worker.device == device.device_id]
        known = [(w.signature, runs[w.run_id].steps_per_s) for w in here if w.run_id in runs and w.steady]
        if here and len(known) == len(here) and all(rate for _, rate in known):
            found[device.device_id] = known
    return found
