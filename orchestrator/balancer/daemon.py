"""The loop: wait for a report or a tick, apply what workers said, observe, decide, act.

Everything outside is passed in, so the same loop runs over real and fake devices and launchers. One daemon per
installation: a file lock keeps a second one out.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.balancer.devices import DeviceProbe
from orchestrator.balancer.launchers.port import Launched, Launcher
from orchestrator.balancer.leases import Leases
from orchestrator.balancer.observation import (
    Action,
    Assign,
    Drain,
    DrainReason,
    Observation,
    PendingRun,
    Refuse,
    Start,
    SweepView,
    WorkerView,
)
from orchestrator.balancer.policy import decide
from orchestrator.balancer.reports import Reports
from orchestrator.balancer.snapshot import SNAPSHOT, snapshot
from orchestrator.errors import OrchestratorError, ServiceError
from orchestrator.ledger import Ledger, RefusedError
from orchestrator.records import Run, Worker, WorkerState
from orchestrator.settings import BalancerSettings
from orchestrator.states import RunState
from orchestrator.transport import Transport
from worker.spec import HEARTBEAT_TTL_S, Order, control_key

_log = logging.getLogger(__name__)
_LOOKAHEAD = 64
"""Queued runs of a sweep that one decision considers."""
_CONTROL_TTL_S = 24 * 3600
_BEGIN_WITHIN_S = 60
_READY_WITHIN_S = 600
_MOST_STILLBORN = 3


@dataclass
class Daemon:
    """A balancer over its ports."""

    ledger: Ledger
    leases: Leases
    transport: Transport
    probe: DeviceProbe
    launcher: Launcher
    settings: BalancerSettings
    reports: Reports = field(init=False)
    fencing_epoch: int = field(init=False, default=0)
    _began: float = field(init=False, default=0.0)
    _asked: dict[str, float] = field(init=False, default_factory=dict)
    """When each draining worker was asked to leave."""

    def __post_init__(self) -> None:
        self.reports = Reports(self.ledger, self.leases)

    def run(self, stop: threading.Event) -> None:
        """Balance until `stop` is set; workers are left running."""
        self.fencing_epoch = self.leases.next_fencing_epoch()
        self._began = time.time()
        while not stop.is_set():
            self.step(self.settings.tick_s)

    def step(self, wait_s: float) -> None:
        """One round: hear the workers for up to `wait_s`, bury the dead, decide, act, tell."""
        for entry in self.leases.reports([worker.worker_id for worker in self.leases.workers()], wait_s):
            self.reports.apply(entry)
        alive = self.launcher.alive()
        workers = list(self._bury(self.leases.workers(), alive))
        self._redeliver(workers)
        observation = self._observe(workers, alive)
        for action in decide(observation):
            self._act(action)
        self.ledger.redis.set(SNAPSHOT, json.dumps(snapshot(observation, self.ledger, self.fencing_epoch)))

    def _observe(self, workers: list[Worker], alive: dict[str, Launched]) -> Observation:
        now = time.time()
        sweeps = tuple(self._sweeps())
        return Observation(
            devices=self.probe.read(),
            workers=tuple(_view(worker, alive, now) for worker in workers),
            sweeps=sweeps,
            pending=tuple(
                PendingRun(run.run_id, run.sweep, run.footprint_mib, run.position)
                for sweep in sweeps
                for run in self.ledger.runs(sweep.name, RunState.QUEUED, limit=_LOOKAHEAD)
                if run.not_before <= now
            ),
            idle_worker_s=self.settings.idle_worker_s,
            shutting_down=self.leases.shutting_down(),
        )

    def _sweeps(self) -> Iterator[SweepView]:
        for name in self.ledger.sweeps():
            sweep = self.ledger.sweep(name)
            starts = not (sweep.hold or sweep.paused)
            yield SweepView(name, sweep.policy.priority, sweep.policy.exclusive, starts, sweep.hold)

    def _act(self, action: Action) -> None:
        match action:
            case Start():
                self._start(action)
            case Assign(run_id, worker_id):
                self._assign(run_id, worker_id)
            case Drain(worker_id, reason):
                self._drain(worker_id, reason)
            case Refuse(run_id, message):
                with suppress(RefusedError):
                    self.ledger.move(run_id, RunState.INFEASIBLE, fields={"message": message})

    def _start(self, start: Start) -> None:
        worker = Worker(
            worker_id=secrets.token_hex(4),
            sweep=start.sweep,
            device=start.device_id,
            lease_mib=start.lease_mib,
            state=WorkerState.STARTING,
            created_at=time.time(),
            fencing_epoch=self.fencing_epoch,
            exclusive=start.exclusive,
        )
        self.leases.grant(worker)
        try:
            self.launcher.start(worker)
        except (OrchestratorError, OSError) as error:
            self._stillborn(worker)
            self.reports.lose(worker, f"could not be launched: {error}")

    def _assign(self, run_id: str, worker_id: str) -> None:
        token = secrets.token_hex(8)
        attempts = self.ledger.run(run_id).attempts + 1
        fields = {"token": token, "worker": worker_id, "attempts": attempts, "assigned_at": time.time(), "epoch": 0}
        try:
            self.ledger.move(run_id, RunState.ASSIGNED, worker=worker_id, fields=fields)
        except RefusedError as refused:
            _log.info("not assigned: %s", refused)
        else:
            self._deliver(worker_id, run_id, token)

    def _deliver(self, worker_id: str, run_id: str, token: str) -> None:
        self.transport.deliver(worker_id, run_id, token)
        self.leases.delivered(worker_id)

    def _redeliver(self, workers: list[Worker]) -> None:
        for worker in workers:
            if worker.run_id and not worker.delivered:
                run = self.ledger.run(worker.run_id)
                if run.token and run.worker == worker.worker_id:
                    self._deliver(worker.worker_id, run.run_id, run.token)

    def _drain(self, worker_id: str, reason: DrainReason) -> None:
        _log.info("worker %s drains: %s", worker_id, reason)
        worker = next((one for one in self.leases.workers() if one.worker_id == worker_id), None)
        if worker is None:
            return
        if worker.run_id:
            self.order(self.ledger.run(worker.run_id), Order.RELEASE)
        self.launcher.ask_to_leave(worker_id)
        self.leases.mark(worker_id, WorkerState.DRAINING)
        self._asked[worker_id] = time.time()

    def order(self, run: Run, order: Order) -> None:
        """Leave an order where the run's present attempt will find it."""
        self.ledger.redis.set(control_key(run.run_id, run.token), order, ex=_CONTROL_TTL_S)

    def _bury(self, workers: list[Worker], alive: dict[str, Launched]) -> Iterator[Worker]:
        """Give up workers that are gone; what is alive without a lease is not wanted."""
        hearts = self.leases.hearts([worker.worker_id for worker in workers])
        for worker in workers:
            if why := self._why_lost(worker, worker.worker_id in alive, worker.worker_id in hearts):
                self._end(worker, why)
            else:
                yield worker
        for worker_id in alive.keys() - {worker.worker_id for worker in workers}:
            self.launcher.kill(worker_id)

    def _why_lost(self, worker: Worker, lives: bool, beats: bool) -> str:
        now = time.time()
        if not lives:
            return "it is gone"
        watched_s = now - max(worker.created_at, self._began)
        if worker.state is WorkerState.STARTING:
            return f"it was not ready within {_READY_WITHIN_S} s" if watched_s > _READY_WITHIN_S else ""
        if not beats and watched_s > HEARTBEAT_TTL_S:
            return f"no heartbeat for {HEARTBEAT_TTL_S} s"
        if worker.run_id and (why := self._why_stuck(self.ledger.run(worker.run_id), now)):
            return why
        if worker.state is WorkerState.DRAINING:
            asked = self._asked.setdefault(worker.worker_id, now)
            if now - asked > self.settings.stop_grace_s:
                return f"it did not leave within {self.settings.stop_grace_s:g} s"
        return ""

    def _why_stuck(self, run: Run, now: float) -> str:
        """A worker that does not begin what it was given, or does not end it when its time is over, is lost."""
        if run.state is RunState.ASSIGNED and now - max(run.assigned_at, self._began) > _BEGIN_WITHIN_S:
            return f"it did not begin its run within {_BEGIN_WITHIN_S} s"
        limit_s = run.spec.timeout_s
        if run.state is RunState.RUNNING and limit_s and now - run.started_at > limit_s + self.settings.stop_grace_s:
            return f"its run went on {self.settings.stop_grace_s:g} s after its time limit"
        return ""

    def _end(self, worker: Worker, why: str) -> None:
        self.launcher.kill(worker.worker_id)
        while last_words := list(self.leases.reports([worker.worker_id], 0)):
            for entry in last_words:
                self.reports.apply(entry)
        if worker.state is WorkerState.STARTING:
            self._stillborn(worker)
        self.reports.lose(worker, why)
        self.transport.forget(worker.worker_id)
        self._asked.pop(worker.worker_id, None)

    def _stillborn(self, worker: Worker) -> None:
        """Pause a sweep whose workers die before they are ready, time after time."""
        deaths = self.leases.stillborn(worker.sweep)
        if deaths >= _MOST_STILLBORN and not self.ledger.sweep(worker.sweep).paused:
            reason = (
                f"{deaths} workers in a row ended before they were ready; logs/workers/{worker.worker_id}.log says why"
            )
            self.ledger.mark_sweep(worker.sweep, paused=reason)


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the balancer's file lock.

    Raises:
        ServiceError: another balancer holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "balancer.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServiceError(f"another balancer is running for {home}; `orchestrator down` stops it") from error
        os.set_inheritable(lock.fileno(), False)
        yield


def _view(worker: Worker, alive: dict[str, Launched], now: float) -> WorkerView:
    return WorkerView(
        worker.worker_id,
        worker.sweep,
        worker.device,
        worker.lease_mib,
        alive[worker.worker_id].memory_mib if worker.worker_id in alive else 0,
        worker.state,
        run_id=worker.run_id,
        idle_s=now - worker.idle_since if worker.state is WorkerState.IDLE else 0.0,
        exclusive=worker.exclusive,
    )
