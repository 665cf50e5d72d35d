"""The balancer's own policy on the simulated machine.

Its books (`accounting`), its experience (`experience`) and its decisions (`policy`) are those of the daemon, unchanged.
What is here is the daemon's part between them: leases, the queue by groups, and what a failure leads to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

from orchestrator.balancer.accounting import Account, Books, Lease, Rules
from orchestrator.balancer.experience import Experience
from orchestrator.balancer.observation import (
    Action,
    Assign,
    Drain,
    Observation,
    Park,
    Reap,
    Refuse,
    Start,
    SweepView,
    WorkerView,
)
from orchestrator.balancer.policy import decide
from orchestrator.balancer.readings import Reading
from orchestrator.balancer.simulator.attempts import Ending
from orchestrator.balancer.simulator.held import Calm, Held
from orchestrator.balancer.simulator.lines import Lines
from orchestrator.balancer.simulator.machine import Machine
from orchestrator.balancer.simulator.teaching import Teacher
from orchestrator.balancer.simulator.workers import Event
from orchestrator.records import WorkerState

MEASURED_AFTER_S = 10.0
LEFT_BEHIND_MIB = 64
_COARSE_S = 10.0
_DECAYED_MIB = 64
_IDLE_WORKER_S = 30.0


class _Blank:
    """What `Experience` finds in an empty Redis."""

    def hgetall(self, _key: str) -> dict[str, Any]:
        return {}

    def hset(self, *_: object) -> None:
        return None


@dataclass
class Ours:
    """Books, experience and policy of the daemon. Ablations override the methods without an underscore."""

    held: dict[str, Held] = field(default_factory=dict)
    lookers: list[Callable[[Machine, Observation, dict[str, Held]], None]] = field(default_factory=list)
    """Called with (machine, observation, held) after each tick's decision, for statistics."""

    def begin(self, machine: Machine) -> None:
        """Take over an idle machine with everything queued."""
        self.machine, self.scenario = machine, machine.scenario
        self.experience = Experience(cast(Any, _Blank()))
        self.books = Books(self.rules())
        self.lines = Lines(self.scenario.runs, self.experience, {d.kind.model for d in self.scenario.devices})
        priorities = self.scenario.priorities
        self._sweeps = tuple(
            SweepView(name, priorities.get(name, 50)) for name in sorted({run.sweep for run in self.scenario.runs})
        )
        self._phase_s = self.scenario.stream("tick").uniform(0.05, 0.95)
        self._teacher = Teacher(self.experience, machine)
        self._ticks: set[float] = set()
        self._calm = Calm()
        self._launched, self._coarse_at = 0, 0.0
        self._decide()

    def rules(self) -> Rules:
        """How the books are kept."""
        return Rules(slots=self.scenario.fleet.workers_per_gpu)

    def overhead_mib(self, model: str) -> int:
        """What a worker is believed to hold beside its run's cap."""
        return max(self.scenario.fleet.overhead_mib, self.experience.overhead_mib(model))

    def lease(self, held: Held, reading: Reading) -> Lease:
        """The lease as the books see it."""
        held_mib = None
        if reading.processes is not None:
            held_mib = sum(reading.processes.get(pid, 0) for pid in self.machine.pids(held.worker_id))
        quiet = held.left_nothing if held.gone_at else not held.run_id
        return Lease(
            held.worker_id,
            held.device_id,
            held.lease_mib,
            held_mib,
            quiet=quiet,
            ramping=held.ramping,
            since=held.assigned_at,
            gone_at=held.gone_at,
        )

    def settling(self, held: Held, reading: Reading, observed_mib: int) -> bool:
        """Whether what a run left behind when it ended badly may still be there."""
        since = held.settling_since
        if not since or reading.processes is None:
            return bool(since)
        return reading.at <= since or observed_mib > LEFT_BEHIND_MIB

    def left(self, held: Held) -> None:
        """A worker is gone; its lease stays until the books have seen its memory free."""

    def seen(self, observation: Observation) -> Observation:
        """What the decision may look at."""
        return observation

    def memory_changed(self) -> None:
        """Look again when the next reading is there."""
        self._tick_at(math.floor(self.machine.clock.now) + 1 + self._phase_s)

    def hear(self, event: Event) -> None:
        """Enter what a worker reports, and decide."""
        held = self.held.get(event.worker_id)
        if held is None:
            return
        if event.kind == "ready" and held.state is WorkerState.STARTING:
            held.state, held.idle_since = WorkerState.IDLE, self.machine.clock.now
        elif event.kind == "epoch":
            held.steady = True
            self.experience.passed_epoch(held.signature, held.model, event.peak_mib)
            self.lines.learned(held.signature)
        elif event.kind == "ended":
            self._ended(held, event)
        elif event.kind == "gone":
            self._gone(held)
        self._decide()
        self.memory_changed()

    def _ended(self, held: Held, event: Event) -> None:
        now, ending = self.machine.clock.now, event.ending
        held.run_id, held.idle_since, held.steady = "", now, False
        if held.state is WorkerState.BUSY:
            held.state = WorkerState.IDLE
        held.settling_since = now if ending and ending.is_death else 0.0
        if ending is Ending.FINISHED:
            pace_s = self._teacher.pace_s(event.run_id)
            self.experience.finished(self.lines.group(event.run_id), held.model, event.peak_mib, pace_s)
        elif ending is Ending.OWN_OOM:
            self.experience.went_over(held.signature, held.model, held.cap_mib)
        self.lines.learned(held.signature)
        if ending not in (Ending.FINISHED, Ending.USER) and ending:
            self._again(event.run_id, ending)

    def _again(self, run_id: str, ending: Ending) -> None:
        wait_s = self.lines.failed(run_id, ending)
        if wait_s is None:
            self.machine.give_up(run_id)
            return
        self.machine.clock.after(wait_s, partial(self.lines.put_back, run_id))
        self._tick_at(self.machine.clock.now + wait_s + 0.01)

    def _gone(self, held: Held) -> None:
        now = self.machine.clock.now
        held.left_nothing = not held.run_id and not held.settling_since
        if held.run_id:
            self._again(held.run_id, Ending.WORKER_LOST)
            held.run_id = ""
        held.state, held.gone_at = WorkerState.RELEASING, now
        self.left(held)

    def _tick_at(self, when_s: float) -> None:
        if when_s not in self._ticks:
            self._ticks.add(when_s)
            self.machine.clock.at(when_s, partial(self._tick, when_s))

    def _tick(self, when_s: float) -> None:
        self._ticks.discard(when_s)
        account = self._decide(due=True)
        if self._must_look_again(account) and self._coarse_at <= when_s:
            self._coarse_at = math.floor(when_s) + _COARSE_S + self._phase_s
            self._tick_at(self._coarse_at)

    def _must_look_again(self, account: Account) -> bool:
        """Whether time alone may change what can be done."""
        if any(held.needs_look(account) for held in self.held.values()):
            return True
        if not self.lines.waiting:
            return False
        seen = {name: memory.foreign_mib for name, memory in self.machine.memories.items()}
        return any(device.foreign_mib > seen[device.device_id] + _DECAYED_MIB for device in account.devices)

    def _decide(self, *, due: bool = False) -> Account:
        now = self.machine.clock.now
        readings = {reading.device_id: reading for reading in self.machine.readings()}
        models = {device.kind.model for device in self.scenario.devices}
        self.books.overheads_mib = {model: self.overhead_mib(model) for model in models}
        leases = [self.lease(held, readings[held.device_id]) for held in self.held.values()]
        account = self.books.update(readings.values(), leases, now)
        if due:
            self._teacher.rates(self.held.values())
            same = self._calm.queue == self.lines.changes
            if same and self._calm.holds(account, self.held.values(), self.experience.loads()):
                return account
        observation = self.seen(self._observation(account, readings, now))
        for worker_id in account.released:
            self.held.pop(worker_id, None)
        actions = decide(observation)
        for action in actions:
            self._act(action)
        devices = {} if actions else {device.device_id: device for device in account.devices}
        self._calm = Calm(devices, observation.loads, self.lines.changes)
        for look in self.lookers:
            look(self.machine, observation, self.held)
        return account

    def _observation(self, account: Account, readings: dict[str, Reading], now: float) -> Observation:
        views = [self._view(held, account, readings[held.device_id], now) for held in self.held.values()]
        return Observation(
            devices=account.devices,
            workers=tuple(views),
            sweeps=self._sweeps,
            demands=self.lines.demands(now),
            loads=self.experience.loads(),
            idle_worker_s=_IDLE_WORKER_S,
        )

    def _view(self, held: Held, account: Account, reading: Reading, now: float) -> WorkerView:
        observed_mib = account.observed_mib.get(held.worker_id, 0)
        settling = self.settling(held, reading, observed_mib)
        if held.settling_since and not settling and not held.gone_at:
            held.settling_since = 0.0
        return WorkerView(
            held.worker_id,
            held.sweep,
            held.device_id,
            held.lease_mib,
            observed_mib,
            held.state,
            run_id=held.run_id,
            idle_s=now - held.idle_since if held.state is WorkerState.IDLE else 0.0,
            exclusive=held.exclusive,
            ramping=held.ramping,
            signature=held.signature,
            ends_in_s=self._ends_in_s(held),
            settling=settling,
            measured=reading.at > held.assigned_at + MEASURED_AFTER_S,
        )

    def _ends_in_s(self, held: Held) -> float:
        if not held.steady:
            return math.inf
        _, left_s, speed = self.machine.progress(held.worker_id)
        return left_s / speed if speed else math.inf

    def _act(self, action: Action) -> None:
        match action:
            case Start():
                self._start(action)
            case Assign():
                self._assign(action)
            case Park(worker_id, lease_mib):
                self.held[worker_id].lease_mib = lease_mib
            case Drain(worker_id):
                self.held[worker_id].state = WorkerState.DRAINING
                self.machine.dismiss(worker_id)
            case Reap(worker_id):
                self.machine.kill(worker_id)
            case Refuse(run_id):
                self.lines.take(run_id)
                self.machine.give_up(run_id)

    def _start(self, start: Start) -> None:
        self._launched += 1
        name = f"w{self._launched:05d}"
        device = self.machine.memories[start.device_id].device
        self.held[name] = Held(
            name,
            start.sweep,
            start.device_id,
            device.kind.model,
            start.lease_mib,
            start.cap_mib,
            start.signature,
            start.exclusive,
        )
        self.machine.launch(name, start.device_id, start.cap_mib)

    def _assign(self, assign: Assign) -> None:
        run_id, worker_id = assign.run_id, assign.worker_id
        held = self.held[worker_id]
        held.lease_mib, held.cap_mib, held.exclusive = assign.lease_mib, assign.cap_mib, assign.exclusive
        held.assigned_at = self.machine.clock.now
        self.machine.lease(worker_id, assign.cap_mib)
        held.run_id, held.state, held.served, held.steady = run_id, WorkerState.BUSY, held.served + 1, False
        held.signature, held.settling_since = self.machine.runs[run_id].signature, 0.0
        held.before_mib = self.machine.memories[held.device_id].used_mib
        self.lines.take(run_id)
        self.machine.hand_over(worker_id, run_id)
