"""One draw of a fleet and a workload: frozen values that are the same for every policy, so that policies are compared
on equal terms. What depends on what a policy does (a worker's start-up, the fate of a second attempt) is drawn from a
stream of its own for each worker and attempt.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from orchestrator.balancer.simulator.files import Failures, Fleet, Foreigner, Gpus

Curve = tuple[tuple[float, float], ...]
"""Points (work done since the context, s; share of the peak held from there on)."""


@dataclass(frozen=True)
class Run:
    """What a run is in truth, and what is believed of it before it runs."""

    run_id: str
    sweep: str
    signature: str
    rank: int
    """Place in the order that its sweep asks for."""
    peak_mib: int
    """Of its own allocations; context and libraries come on top."""
    load: float
    duration_s: float
    """While it is alone, without start-up."""
    epochs: int
    predicted_mib: int
    predicted_work: float
    exclusive: bool
    curve: Curve

    @property
    def epoch_s(self) -> float:
        """Of one epoch, while it is alone."""
        return self.duration_s / self.epochs


@dataclass(frozen=True)
class Device:
    """A device of the fleet."""

    device_id: str
    name: str
    kind: Gpus


@dataclass(frozen=True)
class Mishap:
    """How an attempt ends before its time."""

    kind: Literal["user", "crash", "worker"]
    at_s: float
    """Work done since the fork."""


@dataclass(frozen=True)
class Scenario:
    """Everything that is given."""

    fleet: Fleet
    devices: tuple[Device, ...]
    runs: tuple[Run, ...]
    """In the order of the queue."""
    foreigners: tuple[Foreigner, ...]
    failures: Failures
    priorities: dict[str, int]
    prediction_sigma: float
    """Log-normal error of a signature's predicted peak."""
    seed: int

    def stream(self, *names: object) -> random.Random:
        """Randomness of one thing, the same whatever else was drawn."""
        return random.Random(":".join(map(str, (self.seed, *names))))

    def mishap(self, run: Run, attempt: int, length_s: float) -> Mishap | None:
        """How this attempt fails, if it does."""
        chance = self.stream("mishap", run.run_id, attempt)
        if attempt == 1 and chance.random() < self.failures.user:
            return Mishap("user", chance.uniform(0.1, 1.0))
        early_s = min(length_s, 5 + run.epoch_s)
        at_s = chance.uniform(2, early_s) if chance.random() < 0.5 else chance.uniform(0, length_s)
        which = chance.random()
        if which < self.failures.worker:
            return Mishap("worker", at_s)
        return Mishap("crash", at_s) if which < self.failures.worker + self.failures.crash else None

    def foreign_levels(self, index: int) -> Iterator[tuple[str, Iterator[tuple[float, int]]]]:
        """The foreigners of a device, each with the points (s, MiB) of what it wants, without an end."""
        for number, foreigner in enumerate(self.foreigners):
            if index in foreigner.gpus or not foreigner.gpus:
                chance = self.stream("foreigner", number, index)
                yield f"foreigner-{number}", _levels(foreigner, chance)


def _levels(foreigner: Foreigner, chance: random.Random) -> Iterator[tuple[float, int]]:
    if foreigner.kind == "constant":
        yield 0.0, round(foreigner.mib.draw(chance))
        return
    now = 0.0
    low_mib = 0 if foreigner.kind == "visiting" else foreigner.low_mib
    steps = 3 if foreigner.kind == "visiting" else 1
    while True:
        yield now, low_mib
        now += foreigner.low_s.draw(chance)
        high_mib = foreigner.mib.draw(chance)
        high_s = foreigner.high_s.draw(chance)
        for step in range(steps):
            yield now + 2.0 * step, round(low_mib + (high_mib - low_mib) * (step + 1) / steps)
        now += max(high_s, 2.0 * steps)
