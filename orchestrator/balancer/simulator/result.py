"""What a simulation came to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.balancer.simulator.attempts import Ending
from orchestrator.balancer.simulator.bounds import Bounds
from orchestrator.balancer.simulator.machine import Machine
from orchestrator.balancer.simulator.packing import Packing
from orchestrator.balancer.simulator.workers import Span

OOMS = (Ending.OWN_OOM, Ending.FOREIGN_OOM, Ending.NEIGHBOUR_OOM)


@dataclass(frozen=True)
class Result:
    """One policy on one scenario."""

    policy: str
    seed: int
    runs: int
    makespan_s: float
    bounds: Bounds
    endings: Mapping[Ending, int]
    """Attempts by how they ended."""
    given_up: int
    """Runs that neither finished nor failed by an error of their own."""
    memory_used: float
    """Share of the fleet's memory that our processes held, in the mean over time."""
    compute_used: float
    workers: int
    most_own_ooms: int
    """Of one memory signature."""
    packing: float | None
    """Measured peaks as a share of the best feasible packing's, in the mean over the time that runs waited."""
    devices: Mapping[str, int]
    """Memory of each, MiB."""
    foreign: Mapping[str, tuple[tuple[float, int], ...]]
    """What foreigners held of each from which time on, s and MiB."""
    spans: tuple[Span, ...]

    @property
    def ratio(self) -> float:
        """Makespan over the lower bound."""
        return self.makespan_s / self.bounds.bound_s

    @property
    def gpu_hours(self) -> float:
        """Devices times makespan."""
        return len(self.devices) * self.makespan_s / 3600

    def as_json(self) -> dict[str, Any]:
        """Plain values, without the timeline."""
        return {
            "policy": self.policy,
            "seed": self.seed,
            "runs": self.runs,
            "makespan_s": round(self.makespan_s),
            "lower_bound_s": round(self.bounds.bound_s),
            "lower_bounds_s": {
                "longest": round(self.bounds.longest_s),
                "memory": round(self.bounds.memory_s),
                "compute": round(self.bounds.compute_s),
            },
            "ratio": round(self.ratio, 4),
            "memory_used": round(self.memory_used, 4),
            "compute_used": round(self.compute_used, 4),
            "ooms": {ending.value: self.endings.get(ending, 0) for ending in OOMS},
            "endings": {ending.value: count for ending, count in sorted(self.endings.items())},
            "given_up": self.given_up,
            "workers": self.workers,
            "packing": None if self.packing is None else round(self.packing, 4),
        }


def result_of(machine: Machine, policy: str, bounds: Bounds, packing: Packing | None) -> Result:
    """Sum up a machine that is done."""
    scenario, end_s = machine.scenario, machine.clock.now
    endings = Counter(span.ending for span in machine.spans)
    own = Counter(span.signature for span in machine.spans if span.ending is Ending.OWN_OOM)
    total_mib = sum(memory.total_mib for memory in machine.memories.values())
    return Result(
        policy=policy,
        seed=scenario.seed,
        runs=len(scenario.runs),
        makespan_s=end_s,
        bounds=bounds,
        endings=endings,
        given_up=len(scenario.runs) - endings[Ending.FINISHED] - endings[Ending.USER],
        memory_used=sum(memory.own_mib_s for memory in machine.memories.values()) / (total_mib * end_s),
        compute_used=machine.compute.busy_s / (len(scenario.devices) * end_s),
        workers=len(machine.workers),
        most_own_ooms=max(own.values(), default=0),
        packing=_packing(packing),
        devices={name: memory.total_mib for name, memory in machine.memories.items()},
        foreign={name: tuple(memory.foreign_levels) for name, memory in machine.memories.items()},
        spans=tuple(machine.spans),
    )


def _packing(packing: Packing | None) -> float | None:
    if packing is None or not sum(packing.feasible):
        return None
    return sum(packing.reached) / sum(packing.feasible)
