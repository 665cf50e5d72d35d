"""Workers that are gone, stuck or out of bounds: put away, and what they had is given back."""

from __future__ import annotations

import time
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field

from orchestrator.balancer.launchers.port import Launched, Launcher
from orchestrator.balancer.leases import Leases
from orchestrator.balancer.reports import Reports
from orchestrator.ledger import Ledger
from orchestrator.records import Run, Worker, WorkerState
from orchestrator.settings import BalancerSettings
from orchestrator.states import RunState
from orchestrator.transport import Transport
from worker.spec import HEARTBEAT_TTL_S, FailureClass

_BEGIN_WITHIN_S = 60
_READY_WITHIN_S = 600
_MOST_STILLBORN = 3


@dataclass(frozen=True)
class Departures:
    """Puts workers away."""

    ledger: Ledger
    leases: Leases
    reports: Reports
    launcher: Launcher
    transport: Transport
    settings: BalancerSettings
    began: float = field(default_factory=time.time)

    def bury(
        self, workers: list[Worker], runs: Mapping[str, Run], alive: Mapping[str, Launched], beating: Container[str]
    ) -> Iterator[Worker]:
        """Give up workers that are gone, with the `runs` that they had; who is alive without a lease is not wanted."""
        for worker in workers:
            if worker.state is WorkerState.RELEASING:
                yield worker
            elif why := self._why_lost(
                worker, runs.get(worker.run_id), worker.worker_id in alive, worker.worker_id in beating
            ):
                self._end(worker, why)
                yield from filter(None, [self.leases.worker(worker.worker_id)])
            else:
                yield worker
        wanted = {worker.worker_id for worker in workers if worker.state is not WorkerState.RELEASING}
        for worker_id in alive.keys() - wanted:
            self.launcher.kill(worker_id)

    def stillborn(self, worker: Worker, why: str) -> None:
        """A worker that never was; its sweep is paused where that happens time after time."""
        deaths = self.leases.stillborn(worker.sweep)
        if deaths >= _MOST_STILLBORN and not self.ledger.sweep(worker.sweep).paused:
            reason = (
                f"{deaths} workers in a row ended before they were ready; logs/workers/{worker.worker_id}.log says why"
            )
            self.ledger.mark_sweep(worker.sweep, paused=reason)
        self.reports.lose(worker, why)

    def overrun(self, worker: Worker, why: str) -> None:
        """Put a worker away that endangers its neighbours; its run is out of memory under its own cap."""
        self.launcher.kill(worker.worker_id)
        self._hear_out(worker)
        self.reports.lose(worker, why, FailureClass.OOM)
        self.transport.forget(worker.worker_id)

    def _end(self, worker: Worker, why: str) -> None:
        self.launcher.kill(worker.worker_id)
        self._hear_out(worker)
        if worker.state is WorkerState.STARTING:
            self.stillborn(worker, why)
        else:
            self.reports.lose(worker, why)
        self.transport.forget(worker.worker_id)

    def _hear_out(self, worker: Worker) -> None:
        while last_words := self.leases.reports([worker.worker_id], 0).entries:
            self.reports.apply(last_words)

    def _why_lost(self, worker: Worker, run: Run | None, lives: bool, beats: bool) -> str:
        now = time.time()
        if not lives:
            return "it is gone"
        watched_s = now - max(worker.created_at, self.began)
        if worker.state is WorkerState.STARTING:
            return f"it was not ready within {_READY_WITHIN_S} s" if watched_s > _READY_WITHIN_S else ""
        if not beats and watched_s > HEARTBEAT_TTL_S:
            return f"no heartbeat for {HEARTBEAT_TTL_S} s"
        if run and (why := self._why_stuck(run, now)):
            return why
        if worker.state is WorkerState.DRAINING and (asked := self._asked_at(worker, now)):
            late = now - asked > self.settings.stop_grace_s
            return f"it did not leave within {self.settings.stop_grace_s:g} s" if late else ""
        return ""

    def _asked_at(self, worker: Worker, now: float) -> float:
        """When it was asked to leave at once; one that may finish its run first has its time until then."""
        if not (worker.asked_at or worker.run_id):
            self.leases.note(worker.worker_id, asked_at=now)
            return now
        return worker.asked_at

    def _why_stuck(self, run: Run, now: float) -> str:
        """A worker that does not begin what it was given, or does not end it when its time is over, is lost."""
        if run.state is RunState.ASSIGNED and now - max(run.assigned_at, self.began) > _BEGIN_WITHIN_S:
            return f"it did not begin its run within {_BEGIN_WITHIN_S} s"
        limit_s = run.spec.timeout_s
        if run.state is RunState.RUNNING and limit_s and now - run.started_at > limit_s + self.settings.stop_grace_s:
            return f"its run went on {self.settings.stop_grace_s:g} s after its time limit"
        return ""
