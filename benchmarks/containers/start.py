"""From a lease to the first training step in a container, and from one run to the next on a warm worker.

Needs a running installation: `docker compose up --wait`, then `python benchmarks/containers/start.py`. The sweep has
one run after the other on one worker, each of one step, so a run's time is that of its first step and of its results.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

_RUNS = 6
_SPACE = """
name: {name}
base:
  model.depth: 1
  model.base_filters: 4
  data.patch_px: 16
  training.steps_per_epoch: 1
  training.epochs: 1
  training.batch_size: 4
  evaluation.frames: 10
  evaluation.size_px: 32
metric: {{name: val_f1}}
parameters:
  optimizer.learning_rate: {{values: [0.001]}}
replicates: {{param: training.seed, seeds: {seeds}}}
resources: {{exclusive: true}}
"""
_ASK = 'REDISCLI_AUTH=$(cat /secrets/redis_password) exec redis-cli --json "$@"'


def main() -> None:
    """Submit, wait, and print where the time went."""
    name = f"start-{os.getpid()}"
    submit(name)
    runs = watch(name)
    worker, first = runs[0]["worker"], runs[0]
    lease, container = worker["created_at"], worker["container"]
    steps = {
        "lease → container created": container["created"] - lease,
        "created → started": container["started"] - container["created"],
        "started → training stack imported": container["ready"] - container["started"],
        "imported → first run assigned": first["assigned_at"] - container["ready"],
        "assigned → run begins": first["started_at"] - first["assigned_at"],
        "run begins → its only step done, results written": first["ended_at"] - first["started_at"],
    }
    print(f"{'first run, cold worker, warm image':<52} {'s':>7}")
    for step, seconds in steps.items():
        print(f"  {step:<50} {seconds:>7.2f}")
    print(f"  {'lease → first run over':<50} {sum(steps.values()):>7.2f}")
    warm = [after["started_at"] - before["ended_at"] for before, after in pairwise(runs)]
    print(f"\none run ends → the next begins, warm worker: median {median(warm):.2f} s, worst {max(warm):.2f} s")


def submit(name: str) -> None:
    """Queue the sweep as a person would."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "space.yaml").write_text(_SPACE.format(name=name, seeds=list(range(_RUNS))))
        shared = ["--volume", f"{folder}:/spaces:ro"]
        compose("run", "--rm", "-T", *shared, "orchestrator", "submit", "/spaces/space.yaml")


def watch(name: str) -> list[dict[str, Any]]:
    """Follow the sweep to its end; its runs in their order, the first with its worker."""
    worker: dict[str, Any] = {}
    while True:
        details = json.loads(compose("exec", "-T", "orchestrator", "orchestrator", "status", name, "--runs", "--json"))
        worker = worker or first_worker(name)
        if details["finished"] == _RUNS:
            break
        time.sleep(0.5)
    runs = [numbers(redis("HGETALL", f"hdsmlm:run:{run['run']}")) for run in details["details"]]
    runs.sort(key=lambda run: run["started_at"])
    runs[0]["worker"] = worker
    return runs


def first_worker(name: str) -> dict[str, Any]:
    """The lease and the container of the worker that was started first, once it is ready."""
    shown = subprocess.run(
        ["docker", "ps", "--quiet", "--filter", f"label=hdsmlm.sweep={name}"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    if not shown:
        return {}
    seen = json.loads(subprocess.run(["docker", "inspect", shown[-1]], capture_output=True, check=True).stdout)[0]
    log = subprocess.run(
        ["docker", "logs", "--timestamps", shown[-1]], capture_output=True, text=True, check=True
    ).stdout
    ready = [line for line in log.splitlines() if "worker: runs are held" in line]
    if not ready:
        return {}
    times = {"created": seen["Created"], "started": seen["State"]["StartedAt"], "ready": ready[0].split()[0]}
    lease = redis("HGETALL", f"hdsmlm:worker:{seen['Config']['Labels']['hdsmlm.lease']}")
    return {**numbers(lease), "container": {step: seconds(text) for step, text in times.items()}}


def seconds(text: str) -> float:
    """Seconds since the epoch of one of Docker's times, which have nanoseconds."""
    return datetime.fromisoformat(text[:26].rstrip("Z")).replace(tzinfo=UTC).timestamp()


def numbers(fields: dict[str, Any]) -> dict[str, Any]:
    """A hash, with its times as numbers."""
    return {key: float(value) if key.endswith("_at") else value for key, value in fields.items()}


def redis(*arguments: str) -> dict[str, Any]:
    """Ask Redis."""
    return dict(json.loads(compose("exec", "-T", "redis", "sh", "-c", _ASK, "sh", *arguments)))


def compose(*arguments: str) -> str:
    """What a call of `docker compose` prints."""
    done = subprocess.run(["docker", "compose", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
