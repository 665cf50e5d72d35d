"""Small fleets, workloads and policies for tests of the simulator."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from orchestrator.balancer.simulator.drawing import draw
from orchestrator.balancer.simulator.files import Fleet, Workload
from orchestrator.balancer.simulator.machine import Machine
from orchestrator.balancer.simulator.scenario import Scenario
from orchestrator.balancer.simulator.workers import Event

CONTEXT_MIB, START_S, INIT_S = 500, 10, 2


def fleet(*, gpus: int = 1, memory_mib: int = 20_000, attributed: bool = True, **keys: Any) -> Fleet:
    """Devices on which everything takes its usual time."""
    kind = {"count": gpus, "model": "TEST", "memory_mib": memory_mib, "attributed": attributed}
    fixed = {"start_s": START_S, "init_s": INIT_S, "penalty": 0.0, "release": {"usual_s": 0.2, "abnormal_s": 15}}
    return Fleet.model_validate({"gpus": [{**kind, "context_mib": CONTEXT_MIB}], **fixed, **keys})


def group(name: str = "net", **keys: Any) -> dict[str, Any]:
    """Runs of 4,000 MiB that keep half a device busy for ten minutes."""
    return {"name": name, "peak_mib": 4000, "load": 0.5, "duration_s": 600, "epochs": 10, **keys}


def workload(*groups: dict[str, Any], **keys: Any) -> Workload:
    """Runs that are what they are predicted to be."""
    exact = {"prediction_sigma": 0, "work_sigma": 0, "jitter_sigma": 0, "late_share": 0}
    return Workload.model_validate({"groups": list(groups or [group()]), **exact, **keys})


def scenario(*groups: dict[str, Any], seed: int = 0, on: Fleet | None = None, **keys: Any) -> Scenario:
    return draw(on or fleet(), workload(*groups, **keys), seed)


class Script:
    """A policy that starts everything on the first device at once, and then does what it is told."""

    def __init__(self, cap_mib: int | None = None, ended: Callable[[Machine, Event], None] | None = None) -> None:
        self.cap_mib, self.ended = cap_mib, ended
        self.events: list[tuple[float, Event]] = []

    def begin(self, machine: Machine) -> None:
        self.machine = machine
        for run_id in machine.runs:
            machine.launch(f"w-{run_id}", next(iter(machine.memories)), self.cap_mib)

    def hear(self, event: Event) -> None:
        self.events.append((self.machine.clock.now, event))
        if event.kind == "ready":
            self.machine.hand_over(event.worker_id, event.worker_id.removeprefix("w-"))
        elif event.kind == "ended":
            if self.ended:
                self.ended(self.machine, event)
            else:
                self.machine.give_up(event.run_id)

    def memory_changed(self) -> None:
        total = next(iter(self.machine.memories.values()))
        assert 0 <= total.used_mib <= total.total_mib


def played(given: Scenario, policy: Script) -> Machine:
    machine = Machine(given, policy)
    machine.run(1e6)
    return machine
