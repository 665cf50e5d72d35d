"""How long commands take to answer, beside what they are measured against: an import of redis-py.

    python benchmarks/start_up.py [--keep FOLDER]

Starts an embedded Redis of its own with a large installation in it (16 GPUs, 64 workers, 10,000 queued runs, entered
through the real ledger and seen by the real observer), and stops it; prints the median of ten calls each. With
`--keep`, the installation is left up in that folder, to be looked at with `HDSMLM_HOME=FOLDER balancer status`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from model.config import resolve
from orchestrator.addresses import redis_url
from orchestrator.balancer.accounting import Rules
from orchestrator.balancer.answers.snapshot import snapshot
from orchestrator.balancer.answers.status import SNAPSHOT
from orchestrator.balancer.closures import QUARANTINE, Closures
from orchestrator.balancer.launchers.port import Launched
from orchestrator.balancer.leases import Leases
from orchestrator.balancer.observer import Observer, World
from orchestrator.balancer.readings import Reading
from orchestrator.ledger import LeaseOf, Ledger
from orchestrator.records import Group, SweepPolicy, Worker, WorkerState
from orchestrator.redis_door import connect
from orchestrator.services import REDIS, Services
from orchestrator.settings import BalancerSettings, Settings
from orchestrator.states import RunState
from worker.spec import Goal, Metric, RunSpec

GPUS, WORKERS, QUEUED = 16, 64, 10_000
LAST_RUN = hashlib.sha256(b"%d" % (QUEUED + WORKERS - 1)).hexdigest()[:16]
BIN = Path(sys.executable).parent
CALLS = 10
REFERENCE = "python -c 'import redis'"
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    REFERENCE: [sys.executable, "-c", "import redis"],
    "orchestrator --help": [str(BIN / "orchestrator"), "--help"],
    "balancer --help": [str(BIN / "balancer"), "--help"],
    "balancer status": [str(BIN / "balancer"), "status"],
    "balancer status --json": [str(BIN / "balancer"), "status", "--json"],
    "balancer explain RUN": [str(BIN / "balancer"), "explain", LAST_RUN],
    "orchestrator status": [str(BIN / "orchestrator"), "status"],
}

MODEL = "NVIDIA H100 80GB HBM3"
METRIC = Metric(name="val_f1", goal=Goal.MAXIMIZE)
SWEEPS = {
    "wolf-simulated-three-densities-long-name-of-a-study": 60,
    "pandas": 50,
    "astigmatism_3d_unet_depth_by_frames": 50,
    "microtubules-2026-11-final": 40,
    "ablation.losses": 30,
}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--keep", type=Path)
    keep = arguments.parse_args().keep
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=(keep or Path(folder)).absolute())
        services = Services(settings)
        services._start_redis()
        try:
            install(Ledger(connect(redis_url(settings))))
            measure({**os.environ, "HDSMLM_HOME": str(settings.home)})
        finally:
            if not keep:
                services.stop(REDIS)


def measure(environment: dict[str, str]) -> None:
    print(f"{'command':<28} {'median s':>9} {'fastest s':>10} {'beyond import redis':>20}   of {CALLS} calls")
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(CALLS):
        for name, command in COMMANDS.items():
            times[name].append(_time(command, environment))
    reference = statistics.median(times[REFERENCE])
    for name, taken in times.items():
        median = statistics.median(taken)
        print(f"{name:<28} {median:>9.3f} {min(taken):>10.3f} {median - reference:>+20.3f}")


def install(ledger: Ledger) -> None:
    """Enter sweeps, workers and devices as a balancer would, and what it sees of them."""
    leases, closures = Leases(ledger.redis), Closures(ledger.redis)
    for name, runs in runs_by_sweep().items():
        policy = SweepPolicy(priority=SWEEPS[name]).model_dump_json()
        ledger.submit(name, runs, {"metric": METRIC.model_dump_json(), "axes": "[]", "policy": policy})
    for number in range(WORKERS):
        _employ(ledger, leases, number)
    closures.drain(_uuid(6), release=False)
    reason = (
        "3 losses in a row, the last at 2026-11-25 04:12: worker lost without a word; `balancer resume` uses it again"
    )
    ledger.redis.hset(QUARANTINE, _uuid(11), reason)
    ledger.mark_sweep("ablation.losses", paused="3 runs failed alike: ValueError at losses.py:88 in focal_tversky")
    observer = Observer(ledger, leases, BalancerSettings(), Rules())
    for size in range(15):
        peak_mib = 2700 + 1450 * size
        group = Group(name=f"{size}", signature=f"signature-{size}", footprint_mib=0, gpu_footprint_mib=peak_mib)
        observer.experience.finished(group, MODEL, peak_mib, 0.0011)
    workers = leases.workers()
    observer.refresh(ledger.runs_by_id(worker.run_id for worker in workers if worker.run_id))
    launched = {one.worker_id: Launched(one.worker_id, 0, (_pid(one),)) for one in workers}
    world = World(tuple(readings(workers)), launched)
    observation, _ = observer.look(workers, world)
    began = time.perf_counter()
    seen = snapshot(observer, observation, world, fencing_epoch=3, since=time.time())
    print(f"one snapshot: {time.perf_counter() - began:.3f} s, {len(json.dumps(seen)) / 1024:.0f} KiB")
    ledger.redis.set(SNAPSHOT, json.dumps(seen | {"at": time.time() + 3600}))


def runs_by_sweep() -> dict[str, list[RunSpec]]:
    found: dict[str, list[RunSpec]] = {name: [] for name in SWEEPS}
    config, names = resolve({}), list(SWEEPS)
    for number in range(QUEUED + WORKERS):
        sweep, size = names[number % len(names)], number // len(names) % 20
        run_id = hashlib.sha256(b"%d" % number).hexdigest()[:16]
        spec = RunSpec(
            run_id=run_id,
            sweep=sweep,
            slug=f"d{size % 5}-f{size}-bf64-adam-lr1e-{size % 4}-m0.95-fnw0.72-p64-bs32-s{number % 3}-{run_id[:6]}",
            cell=number // 3,
            seed=number % 3,
            axes={"model.depth": size},
            config=config,
            metric=METRIC,
            footprint_mib=3000 + 1500 * size,
            signature=f"signature-{size}",
            work_gflop=1e6 * (1 + size),
        )
        found[sweep].append(spec)
    return found


def _employ(ledger: Ledger, leases: Leases, number: int) -> None:
    """A worker with a lease; all but the last few have a run, at its own pace."""
    run_id, sweep = hashlib.sha256(b"%d" % number).hexdigest()[:16], list(SWEEPS)[number % len(SWEEPS)]
    gpu, lease = number % (GPUS - 2), 7000 + 1600 * ((number // 14 + number) % 4)
    worker_id = f"{number * 2654435761 % 2**32:08x}"
    state = WorkerState.STARTING if number > WORKERS - 3 else WorkerState.IDLE
    worker = Worker(
        worker_id=worker_id,
        sweep=sweep,
        device=_uuid(gpu),
        model=MODEL,
        lease_mib=lease,
        cap_mib=lease - 1536,
        state=state,
        created_at=time.time() - 4000 - 60 * number,
        signature=f"signature-{number % 20}",
    )
    leases.grant(worker)
    leases.mark(worker_id, state)
    if number < WORKERS - 5:
        token = f"{number:016x}"
        began = time.time() - 37 * number - 40
        bound = LeaseOf(worker_id, lease, lease - 1536)
        ledger.move(run_id, RunState.ASSIGNED, lease=bound, fields={"token": token, "assigned_at": began - 1})
        running = {"started_at": began, "epoch": number % 60, "epochs": 60, "peak_mib": lease // 2}
        ledger.move(run_id, RunState.RUNNING, token=token, fields={**running, "steps_per_s": 3.5 + number % 9})
        if number % 5:
            leases.note(worker_id, steady="1")


def readings(workers: list[Worker]) -> Iterator[Reading]:
    """One GPU as it is read: its workers use most of their leases; on every fourth there is somebody else."""
    for gpu in range(GPUS):
        here = [worker for worker in workers if worker.device == _uuid(gpu)]
        held = {_pid(one): round(one.lease_mib * (0.8 if one.steady else 0.1)) for one in here if one.run_id}
        foreign = 9000 if gpu % 4 == 1 else 0
        yield Reading(
            _uuid(gpu),
            MODEL if gpu < 12 else "NVIDIA A100-SXM4-40GB",
            time.time() - (400 if gpu == 9 else 0),
            total_mib=81_559 if gpu < 12 else 40_960,
            free_mib=max(500, (81_559 if gpu < 12 else 40_960) - sum(held.values()) - foreign - 600),
            slots=8,
            driver_reserved_mib=600,
            processes=held,
            utilisation=None if gpu == 3 else (37 * gpu) % 101,
            temperature_c=None if gpu == 3 else 34 + 3 * gpu,
            trouble="it has fallen off the bus (Xid 79 at 03:14); other GPUs go on, this one needs a reboot"
            * (gpu == 3),
            name=f"gpu{gpu}",
        )


def _pid(worker: Worker) -> int:
    return int(worker.worker_id, 16) % 2**22


def _uuid(gpu: int) -> str:
    return f"GPU-{gpu * 2246822519 % 2**32:08x}-1c5e-4f0a-9d3b-0123456789ab"


def _time(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
