"""What the daemon's observer does, on the simulated machine: leases for the books, and what a decision may look at."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

from orchestrator.balancer.accounting import Account, Books, Lease, Rules
from orchestrator.balancer.decision.memory import whole_mib
from orchestrator.balancer.decision.observation import Observation, SweepView, WorkerView
from orchestrator.balancer.experience import Experience
from orchestrator.balancer.readings import Reading
from orchestrator.balancer.simulator.held import Held
from orchestrator.balancer.simulator.lines import Lines
from orchestrator.balancer.simulator.machine import Machine
from orchestrator.records import WorkerState

MEASURED_AFTER_S = 10.0
LEFT_BEHIND_MIB = 64
_IDLE_WORKER_S = 30.0


class _Blank:
    """What `Experience` finds in an empty Redis."""

    def hgetall(self, _key: str) -> dict[str, Any]:
        return {}

    def hset(self, *_: object) -> None:
        return None


class Onlooker:
    """Books and experience of the daemon. Ablations override the methods without an underscore."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}

    def begin(self, machine: Machine) -> None:
        """Look at an idle machine with everything queued."""
        self.machine, self.scenario = machine, machine.scenario
        self.experience = Experience(cast(Any, _Blank()))
        self.books = Books(self.rules())
        self.lines = Lines(self.scenario.runs, self.experience)
        sweeps, priorities = {run.sweep for run in self.scenario.runs}, self.scenario.priorities
        self._sweeps = tuple(SweepView(name, priorities.get(name, 50)) for name in sorted(sweeps))

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

    def seen(self, observation: Observation) -> Observation:
        """What the decision may look at."""
        return observation

    def readings(self) -> dict[str, Reading]:
        """The newest of each device."""
        return {reading.device_id: reading for reading in self.machine.readings()}

    def keep_books(self, readings: Mapping[str, Reading]) -> Account:
        """Enter what was read and what is leased now."""
        self.books.overheads_mib = {model: self.overhead_mib(model) for model in self._models()}
        leases = [self.lease(held, readings[held.device_id]) for held in self.held.values()]
        return self.books.update(readings.values(), leases, self.machine.clock.now)

    def observation(self, account: Account, readings: Mapping[str, Reading]) -> Observation:
        """What is to be seen now, as it is."""
        now = self.machine.clock.now
        views = [self._view(held, account, readings[held.device_id], now) for held in self.held.values()]
        return Observation(
            devices=account.devices,
            workers=tuple(views),
            sweeps=self._sweeps,
            demands=self.lines.demands(whole_mib(account.devices), now),
            loads=self.experience.loads(),
            idle_worker_s=_IDLE_WORKER_S,
        )

    def _models(self) -> set[str]:
        return {device.kind.model for device in self.scenario.devices}

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
