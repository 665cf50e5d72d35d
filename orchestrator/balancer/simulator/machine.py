"""The simulated machine: devices, workers, the runs in them and the foreigners beside them, on a virtual clock.

A policy orders (`launch`, `hand_over`, `dismiss`, `kill`) and hears (`Event`s through `Policy.hear`, a hint through
`Policy.memory_changed`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from orchestrator.balancer.readings import Reading
from orchestrator.balancer.simulator.attempts import Attempt, Ending
from orchestrator.balancer.simulator.clock import Clock
from orchestrator.balancer.simulator.compute import Compute
from orchestrator.balancer.simulator.driver import Memory
from orchestrator.balancer.simulator.foreigners import Foreigners
from orchestrator.balancer.simulator.scenario import Run, Scenario
from orchestrator.balancer.simulator.workers import Event, Span, Worker
from orchestrator.errors import OrchestratorError

_REPORT_S = 0.02
"""From something that happens to the policy that hears of it."""
_HAND_OVER_S = 0.05
_REMEMBERED_PIDS = 8


class Policy(Protocol):
    """Decides what runs where."""

    def begin(self, machine: Machine) -> None:
        """Take over an idle machine with everything queued."""

    def hear(self, event: Event) -> None:
        """Learn what happened."""

    def memory_changed(self) -> None:
        """The next reading of some device will differ from the last one."""


@dataclass
class Machine:
    """The world that a policy acts on."""

    scenario: Scenario
    policy: Policy
    clock: Clock = field(default_factory=Clock)
    spans: list[Span] = field(default_factory=list)
    trained_s: dict[str, float] = field(default_factory=dict)
    """Training that is kept in checkpoints, by run."""
    attempts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.runs: dict[str, Run] = {run.run_id: run for run in self.scenario.runs}
        self.memories = {d.device_id: Memory(d, lambda: self.clock.now) for d in self.scenario.devices}
        self.workers: dict[str, Worker] = {}
        self.compute = Compute(self.memories, self.scenario.fleet.penalty, self.clock, self._reach)
        self.open = set(self.runs)
        """Runs that are neither finished nor given up."""
        self._pids = iter(range(1000, 10**9))
        self._foreigners = Foreigners(self.scenario, self.memories, self.clock, self._pids, self._changed)

    def run(self, limit_s: float) -> float:
        """Let everything happen until no run is open; gives the time of the end.

        Raises:
            OrchestratorError: runs are still open at the limit.
        """
        self._foreigners.begin()
        self.policy.begin(self)
        while self.open and self.clock.now < limit_s and self.clock.step():
            pass
        if self.open:
            raise OrchestratorError(
                f"{len(self.open)} runs are still open after {self.clock.now / 3600:.0f} h, one is {min(self.open)}; "
                "look whether any device could hold it beside foreigners"
            )
        return self.clock.now

    def readings(self) -> tuple[Reading, ...]:
        """The newest reading of every device."""
        return tuple(memory.reading() for memory in self.memories.values())

    def launch(self, worker_id: str, device_id: str, cap_mib: int | None) -> None:
        """Start a worker; it reports `ready`."""
        number = len(self.workers)
        worker = self.workers[worker_id] = Worker(worker_id, device_id, cap_mib, 0, self.clock.now, number)
        self.lease(worker_id, cap_mib)
        start_s = self.scenario.fleet.start_s.draw(self.scenario.stream("start", number))
        self.clock.after(start_s, partial(self._ready, worker))

    def lease(self, worker_id: str, cap_mib: int | None) -> None:
        """Give a worker that has no run a lease with this cap."""
        worker = self.workers[worker_id]
        memory = self.memories[worker.device_id]
        worker.cap_mib, worker.leased_at = cap_mib, self.clock.now
        worker.foreign_before_mib = memory.foreign_before_mib(memory.reading().at)

    def hand_over(self, worker_id: str, run_id: str) -> None:
        """Let a worker that is ready begin a run."""
        self.clock.after(_HAND_OVER_S, partial(self._begin, self.workers[worker_id], self.runs[run_id]))

    def dismiss(self, worker_id: str) -> None:
        """Let a worker leave; a run that it has is released first."""
        worker = self.workers[worker_id]
        if worker.attempt:
            self._end(worker.attempt, Ending.RELEASED)
        delay_s = self.scenario.stream("leave", worker.number).uniform(0.2, 1.0)
        self.clock.after(delay_s, partial(self._gone, worker))

    def kill(self, worker_id: str) -> None:
        """End a worker at once."""
        worker = self.workers[worker_id]
        if worker.attempt:
            self._end(worker.attempt, Ending.WORKER_LOST)
        else:
            self._gone(worker)

    def give_up(self, run_id: str) -> None:
        """A run will never be tried again."""
        self.open.discard(run_id)

    def pids(self, worker_id: str) -> Iterable[int]:
        """Processes of a worker, those that died of late included."""
        return self.workers[worker_id].pids

    def progress(self, worker_id: str) -> tuple[float, float, float]:
        """Of the run in a worker: undisturbed work done and left, and the present speed, s, s and 1."""
        attempt = self.workers[worker_id].attempt
        if attempt is None:
            return 0.0, 0.0, 0.0
        self.compute.advance([attempt])
        return attempt.done_s, attempt.length_s - attempt.done_s, attempt.speed

    def _ready(self, worker: Worker) -> None:
        if worker.alive:
            worker.ready = True
            self._report(Event("ready", worker.worker_id))

    def _begin(self, worker: Worker, run: Run) -> None:
        if not worker.alive:
            return
        number = self.attempts[run.run_id] = self.attempts.get(run.run_id, 0) + 1
        chance = self.scenario.stream("attempt", run.run_id, number)
        kept_s = self.trained_s.get(run.run_id, 0.0)
        init_s = self.scenario.fleet.init_s.draw(chance)
        device = self.memories[worker.device_id].device
        pid = next(self._pids)
        worker.pids = [*worker.pids[-_REMEMBERED_PIDS:], pid]
        worker.attempt = Attempt(
            run,
            worker.worker_id,
            pid,
            number,
            self.clock.now,
            kept_s,
            init_s,
            round(device.kind.context_mib.draw(chance)),
            self.scenario.mishap(run, number, init_s + run.duration_s - kept_s),
        )
        self.compute.add(worker.device_id, worker.attempt)

    def _reach(self, attempt: Attempt) -> None:
        step = attempt.steps.popleft()
        ending = self._allocate(attempt, step.mib) if step.kind == "memory" else _ENDINGS.get(step.kind)
        if step.kind == "epoch":
            self._report(Event("epoch", attempt.worker_id, attempt.run.run_id, peak_mib=attempt.peak_mib))
        if ending:
            self._end(attempt, ending)
        else:
            self.compute.plan(attempt)

    def _allocate(self, attempt: Attempt, mib: int) -> Ending | None:
        worker = self.workers[attempt.worker_id]
        memory = self.memories[worker.device_id]
        if worker.cap_mib is not None and mib > worker.cap_mib:
            return Ending.OWN_OOM
        whole = mib + attempt.context_mib
        if memory.take(attempt.pid, whole):
            attempt.peak_mib = max(attempt.peak_mib, mib)
            self._changed()
            return None
        return self._blame(memory, whole, whole - memory.held_mib(attempt.pid))

    def _blame(self, memory: Memory, whole_mib: int, more_mib: int) -> Ending:
        if whole_mib > memory.total_mib:
            return Ending.OWN_OOM
        leased = [worker for worker in self.workers.values() if worker.alive and (worker.attempt or not worker.ready)]
        here = [worker for worker in leased if worker.device_id == memory.device.device_id]
        excess_mib = memory.foreign_mib - max(here, key=lambda worker: worker.leased_at).foreign_before_mib
        is_foreign = excess_mib > 0 and more_mib <= memory.free_mib + excess_mib
        return Ending.FOREIGN_OOM if is_foreign else Ending.NEIGHBOUR_OOM

    def _end(self, attempt: Attempt, ending: Ending) -> None:
        worker, run = self.workers[attempt.worker_id], attempt.run
        attempt.ended, worker.attempt = True, None
        self.compute.remove(worker.device_id, attempt)
        self.trained_s[run.run_id] = attempt.checkpoint_s() if ending.is_death else attempt.trained_s
        if ending in (Ending.FINISHED, Ending.USER):
            self.open.discard(run.run_id)
        peak_mib = attempt.peak_mib + (attempt.context_mib if attempt.peak_mib else 0)
        times = attempt.began_at, self.clock.now
        self.spans.append(Span(worker.device_id, run.run_id, run.signature, *times, ending, peak_mib, worker.worker_id))
        self.clock.after(self._release_s(attempt, ending), partial(self._release, worker.device_id, attempt.pid))
        self._report(Event("ended", worker.worker_id, run.run_id, ending, attempt.peak_mib))
        if ending is Ending.WORKER_LOST:
            self._gone(worker)

    def _release_s(self, attempt: Attempt, ending: Ending) -> float:
        release = self.scenario.fleet.release
        chance = self.scenario.stream("release", attempt.run.run_id, attempt.number)
        if not ending.is_death:
            return release.usual_s.draw(chance)
        stuck = chance.random() < release.stuck_share
        return (release.stuck_s if stuck else release.abnormal_s).draw(chance)

    def _release(self, device_id: str, pid: int) -> None:
        self.memories[device_id].give(pid)
        self._foreigners.room_on(device_id)
        self._changed()

    def _gone(self, worker: Worker) -> None:
        if worker.alive:
            worker.alive = False
            self._report(Event("gone", worker.worker_id))

    def _report(self, event: Event) -> None:
        self.clock.after(_REPORT_S, partial(self.policy.hear, event))

    def _changed(self) -> None:
        self.policy.memory_changed()


_ENDINGS = {
    "end": Ending.FINISHED,
    "user": Ending.USER,
    "crash": Ending.CRASH,
    "worker": Ending.WORKER_LOST,
}
