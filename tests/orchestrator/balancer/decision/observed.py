"""A GPU or two, its workers and its queue, as a decision sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.balancer.decision.observation import Action, Demand, Device, Observation, SweepView, WorkerView
from orchestrator.records import WorkerState

GPU = Device("GPU-0", total_mib=80_000, free_mib=80_000, slots=8, model="H", overhead_mib=1000, safety_mib=800)
TWO = (GPU, replace(GPU, device_id="GPU-1"))
IDLE = WorkerView("w1", "s", "GPU-0", 11_000, 0, WorkerState.IDLE, signature="ten")
BUSY = replace(IDLE, worker_id="w2", state=WorkerState.BUSY, run_id="x", observed_mib=9000)
EMPTY = Observation(devices=(GPU,), workers=(), sweeps=(SweepView("s"),), demands=())


def demand(need_mib: int, *run_ids: str, **fields: Any) -> Demand:
    """Runs that need so much on the one model of device."""
    given = {"sweep": "s", "signature": f"{need_mib}", "expected_s": 600.0, **fields}
    return Demand(run_ids=run_ids or (f"r{need_mib}",), needs_mib={"H": need_mib}, **given)


def kinds(actions: tuple[Action, ...]) -> list[type[Action]]:
    return [type(action) for action in actions]


def busy(lease_mib: int, **fields: Any) -> WorkerView:
    return replace(BUSY, lease_mib=lease_mib, observed_mib=lease_mib - 500, **fields)


def seen(*workers: WorkerView, **fields: Any) -> Observation:
    """One GPU on which these workers hold what they were observed to hold."""
    held = sum(worker.observed_mib for worker in workers)
    given = {"devices": (replace(GPU, free_mib=80_000 - held),), **fields}
    return replace(EMPTY, workers=workers, **given)
