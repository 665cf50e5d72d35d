"""What the daemon learns from the runs of the simulated machine: how fast they go beside each other, and alone."""

from __future__ import annotations

from collections.abc import Collection

from orchestrator.balancer.experience import Experience
from orchestrator.balancer.simulator.held import Held
from orchestrator.balancer.simulator.machine import Machine

_EVERY_S = 10.0
_REPEATED = 2
"""The daemon learns every second, which would take the simulation most of its time."""
_NOISE = 0.005
"""Of reported rates."""


class Teacher:
    """Turns what happens into experience."""

    def __init__(self, experience: Experience, machine: Machine) -> None:
        self._experience, self._machine = experience, machine
        self._noise = machine.scenario.stream("rates")
        self._taught_at = 0.0

    def rates(self, workers: Collection[Held]) -> None:
        """Learn from the rates on each device where all runs are steady."""
        if self._machine.clock.now - self._taught_at < _EVERY_S:
            return
        self._taught_at = self._machine.clock.now
        for device in self._machine.scenario.devices:
            busy = [held for held in workers if held.run_id and held.device_id == device.device_id]
            if busy and all(held.steady for held in busy):
                for _ in range(_REPEATED):
                    self._experience.rates(device.kind.model, [(held.signature, self._rate(held)) for held in busy])

    def pace_s(self, run_id: str) -> float:
        """Time that a finished run took for each unit of work; 0 where no single attempt did all of it."""
        machine = self._machine
        if machine.attempts[run_id] > 1:
            return 0.0
        took_s = next(span.ended_at - span.began_at for span in reversed(machine.spans) if span.run_id == run_id)
        return took_s / machine.runs[run_id].predicted_work

    def _rate(self, held: Held) -> float:
        return self._machine.progress(held.worker_id)[2] * self._noise.lognormvariate(0, _NOISE)
