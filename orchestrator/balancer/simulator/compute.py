"""How fast the runs on a device go beside each other, and when each reaches its next step.

speed = min(1, 1 / Σ load) · (1 − penalty · (runs − 1))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from orchestrator.balancer.simulator.attempts import Attempt
from orchestrator.balancer.simulator.clock import Clock


class Compute:
    """The attempts at work on every device."""

    def __init__(self, devices: Iterable[str], penalty: float, clock: Clock, reach: Callable[[Attempt], None]) -> None:
        """`reach` is called when an attempt has come to the first of its steps."""
        self.active: dict[str, list[Attempt]] = {name: [] for name in devices}
        self.busy_s = 0.0
        """Device seconds of full compute that were used."""
        self._penalty, self._clock, self._reached = penalty, clock, reach

    def add(self, device_id: str, attempt: Attempt) -> None:
        """Begin an attempt."""
        self.advance(self.active[device_id])
        self.active[device_id].append(attempt)
        self._retime(device_id)

    def remove(self, device_id: str, attempt: Attempt) -> None:
        """End an attempt."""
        self.advance(self.active[device_id])
        self.active[device_id].remove(attempt)
        self._retime(device_id)

    def advance(self, attempts: Iterable[Attempt]) -> None:
        """Enter the work done up to now."""
        for attempt in attempts:
            before_s = attempt.done_s
            attempt.advance(self._clock.now)
            self.busy_s += attempt.run.load * (attempt.done_s - before_s)

    def plan(self, attempt: Attempt) -> None:
        """Await the next step of an attempt at its present speed."""
        attempt.turn += 1
        wait_s = max(0.0, attempt.steps[0].at_s - attempt.done_s) / attempt.speed
        self._clock.after(wait_s, partial(self._reach, attempt, attempt.turn))

    def _retime(self, device_id: str) -> None:
        here = self.active[device_id]
        share = min(1.0, 1.0 / sum(attempt.run.load for attempt in here)) if here else 0.0
        for attempt in here:
            attempt.speed = share * (1 - self._penalty * (len(here) - 1))
            self.plan(attempt)

    def _reach(self, attempt: Attempt, turn: int) -> None:
        if not attempt.ended and turn == attempt.turn:
            self.advance([attempt])
            self._reached(attempt)
