"""What the balancer last saw, as one JSON value in Redis: `balancer status` answers from it alone."""

from __future__ import annotations

import os
import time
from typing import Any

from orchestrator.balancer.observation import Device, Observation, SweepView, WorkerView
from orchestrator.balancer.policy import headroom_mib
from orchestrator.ledger import Ledger
from worker.spec import PREFIX

SNAPSHOT = f"{PREFIX}:balancer"


def snapshot(observation: Observation, ledger: Ledger, fencing_epoch: int) -> dict[str, Any]:
    """Devices, workers and sweeps; memory in MiB, times in s since the epoch."""
    return {
        "at": time.time(),
        "pid": os.getpid(),
        "fencing_epoch": fencing_epoch,
        "devices": [_device(device, observation) for device in observation.devices],
        "workers": [_worker(worker, ledger) for worker in observation.workers],
        "sweeps": [_sweep(sweep, ledger) for sweep in observation.sweeps],
    }


def _device(device: Device, observation: Observation) -> dict[str, Any]:
    here = [worker for worker in observation.workers if worker.device_id == device.device_id]
    observed = sum(worker.observed_mib for worker in here)
    used = device.total_mib - device.free_mib
    return {
        "device": device.device_id,
        "total_mib": device.total_mib,
        "used_mib": used,
        "leased_mib": sum(worker.lease_mib for worker in here),
        "foreign_mib": max(0, used - observed),
        "free_mib": device.free_mib,
        "headroom_mib": headroom_mib(device, observation.workers),
        "workers": len(here),
        "slots": device.slots,
    }


def _worker(worker: WorkerView, ledger: Ledger) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "worker": worker.worker_id,
        "sweep": worker.sweep,
        "device": worker.device_id,
        "state": worker.state,
        "lease_mib": worker.lease_mib,
        "observed_mib": worker.observed_mib,
    }
    if not worker.run_id:
        return shown
    run = ledger.run(worker.run_id)
    return shown | {
        "run": run.run_id,
        "slug": run.spec.slug,
        "epoch": run.epoch,
        "epochs": run.epochs,
        "steps_per_s": run.steps_per_s,
        "metrics": run.metrics,
    }


def _sweep(sweep: SweepView, ledger: Ledger) -> dict[str, Any]:
    known = ledger.sweep(sweep.name)
    counts = {str(state): count for state, count in ledger.counts(sweep.name).items()}
    waits = known.paused or ("held until `orchestrator run` or `resume`" if known.hold else "")
    return {"sweep": sweep.name, "priority": sweep.priority, **counts, "waits": waits}
