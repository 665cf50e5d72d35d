"""A schedule by one who knows every peak and duration and pays for no start-up: the best of many list schedules.

Each takes the runs in an order of their size, somewhat shuffled, and puts the first that fits where its memory fits
best and the loads stay below a limit. Foreigners are not foreseen, so a scenario must have none.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

from orchestrator.balancer.simulator.bounds import workable
from orchestrator.balancer.simulator.scenario import Device, Run, Scenario

_LOAD_LIMITS = (0.9, 1.0, 1.15, 1.35, 1.7)
_SHUFFLES = (0.0, 0.0, 0.1, 0.3)
_SIZES: tuple[Callable[[Run], float], ...] = (
    lambda run: run.duration_s,
    lambda run: run.load * run.duration_s,
    lambda run: run.peak_mib * run.duration_s,
    lambda run: float(run.peak_mib),
)


def makespan_s(scenario: Scenario, rounds: int = 1) -> float:
    """The shortest of all schedules that were tried, s."""
    chance = scenario.stream("oracle")
    tries = list(product(_LOAD_LIMITS, _SHUFFLES, _SIZES)) * rounds
    return min(_scheduled_s(scenario, limit, _order(scenario, size, shuffle, chance)) for limit, shuffle, size in tries)


def _order(scenario: Scenario, size: Callable[[Run], float], shuffle: float, chance: random.Random) -> list[Run]:
    return sorted(workable(scenario), key=lambda run: -size(run) * chance.lognormvariate(0, shuffle))


@dataclass
class _Place:
    """A device with the runs on it, and how far they are."""

    device: Device
    penalty: float
    runs: list[Run] = field(default_factory=list)
    left_s: list[float] = field(default_factory=list)
    since: float = 0.0
    turn: int = 0

    def __post_init__(self) -> None:
        context = self.device.kind.context_mib
        self.context_mib = context.median or (context.least + (context.most or 0.0)) / 2
        self.free_mib = float(self.device.kind.memory_mib)
        self.load = 0.0

    def takes(self, run: Run, limit: float, slots: int) -> bool:
        """Whether the run has a place here."""
        fits = run.peak_mib + self.context_mib <= self.free_mib and len(self.runs) < slots
        return fits and (not self.runs or self.load + run.load <= limit)

    def add(self, run: Run, now: float) -> None:
        """Begin a run."""
        self.advance(now)
        self.runs.append(run)
        self.left_s.append(run.duration_s)
        self._enter(run, 1)

    def remove_first(self, now: float) -> None:
        """End the run that is done."""
        self.advance(now)
        index = min(range(len(self.runs)), key=self.left_s.__getitem__)
        self.left_s.pop(index)
        self._enter(self.runs.pop(index), -1)

    def advance(self, now: float) -> None:
        """Enter the work done up to now."""
        done_s = self._speed() * (now - self.since)
        self.left_s = [left - done_s for left in self.left_s]
        self.since = now

    def next_end_s(self) -> float:
        """When the next run will be done at this speed."""
        return self.since + max(0.0, min(self.left_s)) / self._speed()

    def _enter(self, run: Run, sign: int) -> None:
        self.free_mib -= sign * (run.peak_mib + self.context_mib)
        self.load += sign * run.load
        self.turn += 1

    def _speed(self) -> float:
        return min(1.0, 1.0 / max(self.load, 1e-9)) * (1 - self.penalty * (len(self.runs) - 1))


def _scheduled_s(scenario: Scenario, limit: float, order: list[Run]) -> float:
    fleet = scenario.fleet
    places = [_Place(device, fleet.penalty) for device in scenario.devices]
    ends: list[tuple[float, int, int]] = []
    now, changed = 0.0, list(range(len(places)))
    while order or ends:
        _fill([places[index] for index in changed], order, limit, fleet.workers_per_gpu, now)
        for index in changed:
            if places[index].runs:
                heapq.heappush(ends, (places[index].next_end_s(), places[index].turn, index))
        changed = []
        while ends and not changed:
            at_s, turn, index = heapq.heappop(ends)
            if turn == places[index].turn:
                now, changed = at_s, [index]
                places[index].remove_first(now)
        if not changed:
            break
    return now


def _fill(places: list[_Place], order: list[Run], limit: float, slots: int, now: float) -> None:
    """Start what fits; a device that nothing left and nothing entered still has no place for anybody."""
    left = []
    for run in order:
        takers = [place for place in places if place.takes(run, limit, slots)]
        if takers:
            min(takers, key=lambda place: (place.free_mib, place.load)).add(run, now)
        else:
            left.append(run)
    order[:] = left
