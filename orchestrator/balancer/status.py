"""`balancer status`: the last snapshot, as JSON or as a page of text."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.quick_read import quick_get

_KEY = "hdsmlm:balancer"
_FRESH_S = 5.0
_BAR = 24


def read(url: str) -> dict[str, Any]:
    """The last snapshot, with `up` and the snapshot's age; without one, `up` is false.

    Raises:
        ServiceError: Redis does not answer.
    """
    text = quick_get(url, _KEY)
    if text is None:
        return {"up": False, "age_s": None, "devices": [], "workers": [], "sweeps": []}
    seen: dict[str, Any] = json.loads(text)
    age_s = time.time() - seen["at"]
    return {"up": age_s < _FRESH_S, "age_s": round(age_s, 1), **seen}


def render(seen: Mapping[str, Any]) -> str:
    """The snapshot as text for a terminal."""
    return "\n".join(_lines(seen))


def _lines(seen: Mapping[str, Any]) -> Iterator[str]:
    if seen["age_s"] is None:
        yield "The balancer has never run here; `orchestrator up` starts it."
        return
    if not seen["up"]:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seen["at"]))
        yield f"The balancer is down since {since}; `orchestrator up` starts it. What it saw last:"
    yield f"{'DEVICE':<10} {'MEMORY':<{_BAR + 2}} {'USED':>8} {'LEASED':>8} {'FOREIGN':>8} {'HEADROOM':>9}  WORKERS"
    yield from map(_device, seen["devices"])
    yield ""
    yield f"{'WORKER':<10} {'STATE':<9} {'LEASE':>7} {'USES':>7}  {'STEP/S':>6}  RUN"
    yield from map(_worker, seen["workers"])
    yield ""
    yield f"{'SWEEP':<24} {'QUEUED':>7} {'RUNNING':>8} {'FINISHED':>9} {'FAILED':>7}  WAITS"
    yield from map(_sweep, seen["sweeps"])


def _device(device: Mapping[str, Any]) -> str:
    filled = round(_BAR * device["used_mib"] / max(device["total_mib"], 1))
    bar = "█" * filled + "░" * (_BAR - filled)
    memory = " ".join(f"{_gib(device[key]):>8}" for key in ("used_mib", "leased_mib", "foreign_mib"))
    return (
        f"{device['device']:<10} {bar}  {memory} {_gib(device['headroom_mib']):>9}"
        f"  {device['workers']} of {device['slots']}"
    )


def _worker(worker: Mapping[str, Any]) -> str:
    run = f"{worker['slug']}  epoch {worker['epoch']}/{worker['epochs']}" if "run" in worker else ""
    rate = f"{worker.get('steps_per_s', 0):.1f}" if "run" in worker else ""
    return (
        f"{worker['worker']:<10} {worker['state']:<9} {_gib(worker['lease_mib']):>7}"
        f" {_gib(worker['observed_mib']):>7}  {rate:>6}  {run}"
    )


def _sweep(sweep: Mapping[str, Any]) -> str:
    running = sweep["assigned"] + sweep["running"]
    return (
        f"{sweep['sweep']:<24} {sweep['queued']:>7} {running:>8} {sweep['finished']:>9} {sweep['failed']:>7}"
        f"  {sweep['waits']}"
    )


def _gib(mib: float) -> str:
    return f"{mib / 1024:.1f}G"
