"""What the balancer last saw, as one JSON value in Redis: `balancer status` answers from it alone.

Its keys are documented in `docs/balancer-status.md` and only ever added to; each is always there. It holds all that a
decision looks at of devices and workers, so that `balancer explain` can make the decision again (`hindsight.py`).
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from typing import Any

from orchestrator.balancer.answers.explanation import Reasons
from orchestrator.balancer.decision.memory import headroom_mib
from orchestrator.balancer.decision.observation import Device, Observation, WorkerView
from orchestrator.balancer.observer import Observer, World
from orchestrator.balancer.readings import Reading
from orchestrator.records import Run, Sweep, WorkerState
from orchestrator.states import RunState

HELD = "held until `orchestrator run` or `resume`"


def snapshot(
    observer: Observer, observation: Observation, world: World, *, fencing_epoch: int, since: float
) -> dict[str, Any]:
    """Devices, workers and sweeps; memory in MiB, times in s since the epoch; `since` is the balancer's start."""
    readings = {reading.device_id: reading for reading in world.readings}
    reasons, now = Reasons(observation), time.time()
    return {
        "at": now,
        "since": since,
        "pid": os.getpid(),
        "fencing_epoch": fencing_epoch,
        "shutting_down": observation.shutting_down,
        "devices": [_device(device, readings[device.device_id], observation) for device in observation.devices],
        "workers": [_worker(worker, observer.runs.get(worker.run_id), now) for worker in observation.workers],
        "sweeps": [_sweep(sweep, observer, observation, reasons) for sweep in observer.sweeps.values()],
        "books": observer.books.dump(),
    }


def stored_books(text: str | None) -> Mapping[str, Any]:
    """The books of the balancer that wrote this snapshot."""
    return dict(json.loads(text).get("books", {})) if text else {}


def _device(device: Device, reading: Reading, observation: Observation) -> dict[str, Any]:
    here = [worker for worker in observation.workers if worker.device_id == device.device_id]
    health, why = _health(device, observation.draining)
    return {
        "device": device.device_id,
        "name": device.name or device.device_id,
        "model": device.model,
        "read_at": reading.at,
        "total_mib": device.total_mib,
        "used_mib": device.total_mib - device.free_mib,
        "observed_mib": sum(worker.observed_mib for worker in here),
        "leased_mib": sum(worker.lease_mib for worker in here),
        "unused_mib": sum(max(0, worker.lease_mib - worker.observed_mib) for worker in here),
        "foreign_mib": device.foreign_mib,
        "free_mib": device.free_mib,
        "headroom_mib": headroom_mib(device, here),
        "reserve_mib": device.reserve_mib,
        "overhead_mib": device.overhead_mib,
        "growth_mib": device.growth_mib,
        "safety_mib": device.safety_mib,
        "utilisation": reading.utilisation,
        "temperature_c": reading.temperature_c,
        "attributed": device.attributed,
        "avoided": device.avoided,
        "health": health,
        "why": why,
        "trouble": reading.trouble,
        "quarantine": "" if reading.trouble else device.trouble,
        "blind": device.blind,
        "workers": len(here),
        "slots": device.slots,
    }


def _health(device: Device, draining: Mapping[str, bool]) -> tuple[str, str]:
    """One word, and why: what a person has to mend first."""
    if device.trouble:
        return "trouble", device.trouble
    if device.device_id in draining:
        how = "are released at once" if draining[device.device_id] else "are finished"
        return "drained", f"its runs {how}, and nothing starts until `balancer resume`"
    return ("blind", device.blind) if device.blind else ("ok", "")


def _worker(worker: WorkerView, run: Run | None, now: float) -> dict[str, Any]:
    return {
        "worker": worker.worker_id,
        "sweep": worker.sweep,
        "device": worker.device_id,
        "state": str(worker.state),
        "launched_at": worker.launched_at or None,
        "since": _since(worker, run, now),
        "lease_mib": worker.lease_mib,
        "observed_mib": worker.observed_mib,
        "exclusive": worker.exclusive,
        "ramping": worker.ramping,
        "spent": worker.spent,
        "measured": worker.measured,
        "settling": worker.settling,
        "signature": worker.signature,
        "run": worker.run_id or None,
        "slug": run.spec.slug if run else None,
        "epoch": run.epoch if run else None,
        "epochs": run.epochs if run else None,
        "steps_per_s": run.steps_per_s if run else None,
        "started_at": run.started_at if run else None,
        "ends_in_s": whole_s(worker.ends_in_s),
        "metrics": run.metrics if run else {},
    }


def _since(worker: WorkerView, run: Run | None, now: float) -> float | None:
    """Since when it has its run, is idle, or is starting; None where that is not known."""
    if run:
        return max(run.assigned_at, run.started_at if run.state is RunState.RUNNING else 0.0) or None
    if worker.state is WorkerState.STARTING:
        return worker.launched_at or None
    return now - worker.idle_s if worker.state is WorkerState.IDLE else None


def _sweep(sweep: Sweep, observer: Observer, observation: Observation, reasons: Reasons) -> dict[str, Any]:
    counts = observer.counts[sweep.name]
    ready = sum(demand.count or len(demand.run_ids) for demand in reasons.queue if demand.sweep == sweep.name)
    starts = not (sweep.paused or sweep.hold)
    return {
        "sweep": sweep.name,
        "priority": sweep.policy.priority,
        "runs": sum(counts.values()),
        **{str(state): count for state, count in counts.items()},
        "delayed": max(0, counts[RunState.QUEUED] - ready) if starts else 0,
        "paused": sweep.paused,
        "held": sweep.hold,
        "waits": sweep.paused or (HELD if sweep.hold else _why(sweep.name, counts, reasons)),
        "head": reasons.head(sweep.name) or None,
        "left_s": whole_s(observer.left_s(sweep.name, observation)) if starts or not counts[RunState.QUEUED] else None,
    }


def _why(sweep: str, counts: Mapping[RunState, int], reasons: Reasons) -> str:
    if demand := reasons.waiting.get(sweep):
        return reasons.why(demand)
    idle = counts[RunState.QUEUED] and not any(demand.sweep == sweep for demand in reasons.queue)
    return "each queued run has failed, and is tried again after a while" if idle else ""


def whole_s(seconds: float) -> int | None:
    """Seconds for JSON; None where they are infinite, and so not known."""
    return None if math.isinf(seconds) else round(seconds)
