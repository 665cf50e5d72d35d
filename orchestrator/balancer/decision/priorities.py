"""The order of the queue.

Priority first. Within it, the largest memory × time first, since what is large is hardest to place at the end; each
hour without service counts as twice the size, so nothing waits for ever; and within a sweep each rank of the order
that it asks for (`policy.order`) counts as sixteen times the size, until a run would take so long that it had to be
started now in order not to be the last one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from orchestrator.balancer.decision.observation import Demand, Observation
from orchestrator.records import WorkerState

_NEGLECT_S = 3600.0
_RANK = 16.0
_MEMORY = 4.0
_URGENT_SHARE = 0.5
"""Of the time that is left in all, what a run may take before it becomes urgent."""
_URGENT = 1000.0


def ordered(observation: Observation) -> list[Demand]:
    """The demands of sweeps that may start, the first to be served first."""
    sweeps = {sweep.name: sweep for sweep in observation.sweeps if sweep.starts}
    demands = [demand for demand in observation.demands if demand.sweep in sweeps and demand.run_ids]
    first = _first_ranks(demands)
    long_s = _URGENT_SHARE * left_s(demands, observation)

    def key(demand: Demand) -> tuple[float, float, str, str]:
        if long_s <= demand.expected_s < math.inf:
            weight = _URGENT + math.log2(demand.expected_s)
        else:
            rank = demand.rank - first[demand.sweep]
            weight = _size(demand) + demand.waited_s / _NEGLECT_S - _RANK * rank
        return (-sweeps[demand.sweep].priority, -weight, demand.sweep, demand.run_ids[0])

    return sorted(demands, key=key)


def left_s(demands: Iterable[Demand], observation: Observation) -> float:
    """How long everything will take with as many runs at once as now; infinite where that is not known."""
    ends = [worker.ends_in_s for worker in observation.workers if worker.state is WorkerState.BUSY]
    known = [end_s for end_s in ends if math.isfinite(end_s)]
    waiting = sum((demand.count or len(demand.run_ids)) * demand.expected_s for demand in demands)
    return (sum(known) + waiting) / len(ends) if ends else math.inf


def _first_ranks(demands: Iterable[Demand]) -> dict[str, int]:
    first: dict[str, int] = {}
    for demand in demands:
        first[demand.sweep] = min(demand.rank, first.get(demand.sweep, demand.rank))
    return first


def _size(demand: Demand) -> float:
    """Binary logarithm of memory⁴ × time."""
    time = demand.expected_s if math.isfinite(demand.expected_s) else demand.work
    return _MEMORY * math.log2(max([1, *demand.needs_mib.values()])) + math.log2(max(time, 1e-6))
