"""How fast a workload could be done at best, whatever the policy: three lower bounds, of which the highest counts.

    longest    the longest run, alone and without start-up
    memory     the time at which Σ (capacity − foreign memory) over time reaches Σ peak · duration
    compute    Σ load · duration / Σ busiest

Co-runners keep at most min(1, Σ load) · (1 − penalty · (runs − 1)) of a device busy; `busiest` is the most of that
over all numbers of runs, with every load as high as the highest.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from orchestrator.balancer.simulator.scenario import Run, Scenario


@dataclass(frozen=True)
class Bounds:
    """Lower bounds of the makespan, s."""

    longest_s: float
    memory_s: float
    compute_s: float

    @property
    def bound_s(self) -> float:
        """The highest of them."""
        return max(self.longest_s, self.memory_s, self.compute_s)


def bounds(scenario: Scenario) -> Bounds:
    """The lower bounds of a scenario, over the runs that can succeed."""
    runs = workable(scenario)
    need_mib_s = sum(run.peak_mib * run.duration_s for run in runs)
    busy_s = sum(run.load * run.duration_s for run in runs)
    return Bounds(
        longest_s=max((run.duration_s for run in runs), default=0.0),
        memory_s=_memory_s(scenario, need_mib_s),
        compute_s=busy_s / (len(scenario.devices) * _busiest(scenario, runs)),
    )


def workable(scenario: Scenario) -> tuple[Run, ...]:
    """Runs without an error of their own."""
    return tuple(run for run in scenario.runs if not _is_wrong(scenario, run))


def _is_wrong(scenario: Scenario, run: Run) -> bool:
    mishap = scenario.mishap(run, 1, run.duration_s)
    return mishap is not None and mishap.kind == "user"


def _busiest(scenario: Scenario, runs: tuple[Run, ...]) -> float:
    most, penalty = max((run.load for run in runs), default=1.0), scenario.fleet.penalty
    return max(min(1.0, most * n) * (1 - penalty * (n - 1)) for n in range(1, scenario.fleet.workers_per_gpu + 1))


def _memory_s(scenario: Scenario, need_mib_s: float) -> float:
    """Integrates what foreigners leave until it is enough."""
    free_mib, now = sum(device.kind.memory_mib for device in scenario.devices), 0.0
    for at_s, more_mib in _foreign_changes(scenario):
        if free_mib > 0 and now + need_mib_s / free_mib <= at_s:
            break
        need_mib_s -= max(0, free_mib) * (at_s - now)
        free_mib, now = free_mib - more_mib, at_s
    return now + need_mib_s / max(free_mib, 1)


def _foreign_changes(scenario: Scenario) -> Iterator[tuple[float, int]]:
    processes = [
        _changes(levels) for index in range(len(scenario.devices)) for _, levels in scenario.foreign_levels(index)
    ]
    return heapq.merge(*processes)


def _changes(levels: Iterator[tuple[float, int]]) -> Iterator[tuple[float, int]]:
    before_mib = 0
    for at_s, mib in levels:
        yield at_s, mib - before_mib
        before_mib = mib
