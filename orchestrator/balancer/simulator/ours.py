"""The balancer's own policy on the simulated machine.

Its books (`accounting`), its experience (`experience`) and its decisions (`policy`) are those of the daemon, unchanged.
What is here is the daemon's part between them: ticks and events, and what a failure leads to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from orchestrator.balancer.accounting import Account
from orchestrator.balancer.decision.observation import (
    Action,
    Assign,
    Drain,
    Observation,
    Park,
    Reap,
    Refuse,
    Start,
)
from orchestrator.balancer.decision.policy import decide
from orchestrator.balancer.simulator.attempts import Ending
from orchestrator.balancer.simulator.held import Calm, Held
from orchestrator.balancer.simulator.machine import Machine
from orchestrator.balancer.simulator.onlooker import Onlooker
from orchestrator.balancer.simulator.teaching import Teacher
from orchestrator.balancer.simulator.workers import Event
from orchestrator.records import WorkerState

_COARSE_S = 10.0
_DECAYED_MIB = 64


class Ours(Onlooker):
    """Takes part in a simulation as the daemon would."""

    def __init__(self) -> None:
        super().__init__()
        self.lookers: list[Callable[[Machine, Observation, dict[str, Held]], None]] = []
        """Called with (machine, observation, held) after each decision, for statistics."""

    def begin(self, machine: Machine) -> None:
        """Take over an idle machine with everything queued."""
        super().begin(machine)
        self._phase_s = self.scenario.stream("tick").uniform(0.05, 0.95)
        self._teacher = Teacher(self.experience, machine)
        self._ticks: set[float] = set()
        self._calm = Calm()
        self._launched, self._coarse_at = 0, 0.0
        self._decide()

    def left(self, held: Held) -> None:
        """A worker is gone; its lease stays until the books have seen its memory free."""

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
        readings = self.readings()
        account = self.keep_books(readings)
        if due:
            self._teacher.rates(self.held.values())
            same = self._calm.queue == self.lines.changes
            if same and self._calm.holds(account, self.held.values(), self.experience.loads()):
                return account
        observation = self.seen(self.observation(account, readings))
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
