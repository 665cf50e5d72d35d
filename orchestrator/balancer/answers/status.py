"""`balancer status`: the last snapshot, as JSON or as a page of text.

It reads one key of Redis and imports no client library, so that it answers at once, also where there is no driver and
no balancer any more. The keys are described in `docs/balancer-status.md`.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.balancer.answers.painting import (
    Paint,
    coloured,
    cut,
    cut_inside,
    gib,
    lasting,
    legend,
    memory_bar,
    plain,
    wrapped,
)
from orchestrator.quick_read import quick_get
from orchestrator.settings import starter

SNAPSHOT = "hdsmlm:balancer"
"""Key of the last snapshot; spelt out, because what knows the prefix takes longer to import than to read the key."""
_FRESH_S = 5.0
_NEVER = {"at": None, "since": None, "pid": None, "fencing_epoch": None, "shutting_down": False}
_WIDEST_BAR = 48
_HEALTH = {"trouble": "red", "drained": "yellow", "blind": "yellow", "ok": "green"}
_STATES = {"busy": "green", "starting": "cyan", "draining": "yellow", "releasing": "yellow", "idle": "dim"}


def read(url: str) -> dict[str, Any]:
    """The last snapshot, with `up` and the snapshot's age; without one, `up` is false.

    Raises:
        ServiceError: Redis does not answer.
    """
    return judged(quick_get(url, SNAPSHOT))


def judged(text: str | None) -> dict[str, Any]:
    """The snapshot, with what its age says of the balancer; what is for balancers only is left out."""
    if text is None:
        return {"up": False, "age_s": None, **_NEVER, "devices": [], "workers": [], "sweeps": []}
    seen: dict[str, Any] = json.loads(text)
    seen.pop("books", None)
    age_s = time.time() - seen["at"]
    return {"up": age_s < _FRESH_S, "age_s": round(age_s, 1), **seen}


def render(seen: Mapping[str, Any], *, width: int = 100, height: int | None = None, colour: bool = False) -> str:
    """The snapshot as text for a terminal; where it is higher than `height`, the longest tables are cut."""
    paint = coloured if colour else plain
    if seen["age_s"] is None:
        return "\n".join(standing(seen))
    parts = [list(part(seen, width, paint)) for part in (_summary, _devices, _workers, _sweeps)]
    return "\n".join("\n".join(part) for part in _fitted(parts, height))


def standing(seen: Mapping[str, Any]) -> list[str]:
    """Whether the balancer runs: nothing where it does."""
    if seen["up"]:
        return []
    if seen["age_s"] is None:
        return [f"The balancer has never run here; {starter()} starts it."]
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seen["at"]))
    return [f"The balancer is down since {since}; {starter()} starts it. What it saw last:"]


def _fitted(parts: list[list[str]], height: int | None) -> Iterator[list[str]]:
    """The parts, the longest of them cut until they fit."""
    while height is not None and sum(map(len, parts)) > height:
        longest = max(parts, key=len)
        if len(longest) < 5:
            break
        over = min(sum(map(len, parts)) - height + 1, len(longest) - 4)
        longest[-over - 1 :] = [f"… {over} more lines; `balancer status` shows all", ""]
    yield from parts


def _summary(seen: Mapping[str, Any], width: int, paint: Paint) -> Iterator[str]:
    for line in standing(seen):
        yield from (paint(part, "red") for part in wrapped(line, width, ""))
    devices, workers = seen["devices"], seen["workers"]
    models = Counter(device["model"] for device in devices)
    well = sum(device["health"] == "ok" for device in devices)
    facts = (
        f"{'balancer up, ' * seen['up']}read {lasting(seen['age_s'])} ago",
        f"{well} of {len(devices)} devices well",
        f"{len(workers)} workers, {sum(worker['run'] is not None for worker in workers)} with a run",
        f"{sum(sweep['queued'] for sweep in seen['sweeps']):,} runs queued",
        "shutting down" if seen["shutting_down"] else "",
    )
    yield cut(" · ".join(filter(None, facts)), width)
    yield cut(" · ".join(f"{count} × {model}" for model, count in models.items()), width)
    yield ""


def _devices(seen: Mapping[str, Any], width: int, paint: Paint) -> Iterator[str]:
    name_width = _widest("DEVICE", (device["name"] for device in seen["devices"]), 14)
    bar_width = max(10, min(_WIDEST_BAR, width - name_width - 75))
    memory = f"{'MEMORY, GiB':<{bar_width}}  {'OURS':>6} {'LEASED':>7} {'FOREIGN':>8} {'TOTAL':>7} {'HEADROOM':>9}"
    yield paint(f"{'DEVICE':<{name_width}}  {memory}  {'WORKERS':>7} {'UTIL':>5} {'TEMP':>5}  HEALTH", "bold")
    for device in seen["devices"]:
        bar = memory_bar(_parts(device), bar_width, paint)
        yield f"{cut(device['name'], name_width):<{name_width}}  {bar}  {_device(device, paint)}"
    yield paint(" " * (name_width + 2), "dim") + legend(paint)
    for device in seen["devices"]:
        if device["why"]:
            why = wrapped(f"{device['name']}: {device['why']}", width, "  ")
            yield from (paint(line, _HEALTH[device["health"]]) for line in why)
    yield ""


def _parts(device: Mapping[str, Any]) -> tuple[int, int, int, int]:
    """Used by ours, leased but not used, foreign and free; where the driver does not tell whose, by what is leased."""
    total, foreign = device["total_mib"], device["foreign_mib"]
    ours = max(device["observed_mib"], min(device["used_mib"] - foreign, device["leased_mib"]))
    ours = min(max(ours, 0), total)
    leased = min(max(device["leased_mib"] - ours, 0), total - ours)
    foreign = min(foreign, total - ours - leased)
    return ours, leased, foreign, total - ours - leased - foreign


def _device(device: Mapping[str, Any], paint: Paint) -> str:
    ours, *_ = _parts(device)
    numbers = (
        f"{gib(ours):>6} {gib(device['leased_mib']):>7} {gib(device['foreign_mib']):>8}"
        f" {gib(device['total_mib']):>7} {gib(device['headroom_mib']):>9}"
    )
    busy = "" if device["utilisation"] is None else f"{device['utilisation']}%"
    warm = "" if device["temperature_c"] is None else f"{device['temperature_c']}°C"
    workers = f"{device['workers']}/{device['slots']}"
    health = paint(device["health"], _HEALTH[device["health"]])
    return f"{numbers}  {workers:>7} {busy:>5} {warm:>5}  {health}"


def _workers(seen: Mapping[str, Any], width: int, paint: Paint) -> Iterator[str]:
    if not seen["workers"]:
        yield from (paint("No worker runs.", "dim"), "")
        return
    names = {device["device"]: device["name"] for device in seen["devices"]}
    places = {device: place for place, device in enumerate(names)}
    workers = sorted(seen["workers"], key=lambda one: (places.get(one["device"], len(places)), one["since"] or 0))
    name_width = _widest("DEVICE", names.values(), 14)
    sweep_width = _widest("SWEEP", (worker["sweep"] for worker in workers), 32) if width >= 140 else 0
    run_width = max(12, width - name_width - 66 - (sweep_width and sweep_width + 2))
    sweep_title = f"{'SWEEP':<{sweep_width}}  " if sweep_width else ""
    columns = f"{'STATE':<9} {'USES':>5} {'LEASE':>5}  {'EPOCH':>7} {'STEP/S':>6} {'FOR':>6} {'LEFT':>6}"
    yield paint(f"{'DEVICE':<{name_width}}  {'WORKER':<8}  {columns}  {sweep_title}RUN", "bold")
    for worker in workers:
        name = cut(names.get(worker["device"], worker["device"]), name_width)
        sweep = f"{cut(worker['sweep'], sweep_width):<{sweep_width}}  " if sweep_width else ""
        whose = "" if sweep_width else f"({cut(worker['sweep'], run_width - 2)})"
        run = cut_inside(worker["slug"] or worker["run"] or "", run_width) or whose
        line = f"{name:<{name_width}}  {worker['worker'][:8]:<8}  {_worker(worker, seen['at'], paint)}  {sweep}{run}"
        yield line.rstrip()
    yield ""


def _worker(worker: Mapping[str, Any], at: float, paint: Paint) -> str:
    has_run = worker["epochs"] is not None
    epoch = f"{worker['epoch']}/{worker['epochs'] or '?'}" if has_run else ""
    rate = f"{worker['steps_per_s']:.1f}" if has_run and worker["steps_per_s"] else ""
    since = lasting(None if worker["since"] is None else at - worker["since"])
    state = paint(f"{worker['state']:<9}", _STATES.get(worker["state"], "dim"))
    memory = f"{gib(worker['observed_mib']):>5} {gib(worker['lease_mib']):>5}"
    return f"{state} {memory}  {epoch:>7} {rate:>6} {since:>6} {lasting(worker['ends_in_s']):>6}"


def _sweeps(seen: Mapping[str, Any], width: int, paint: Paint) -> Iterator[str]:
    if not seen["sweeps"]:
        yield paint("No sweep has runs to do.", "dim")
        return
    name_width = min(_widest("SWEEP", (sweep["sweep"] for sweep in seen["sweeps"]), 48), width - 66)
    columns = f"{'QUEUED':>7} {'RUNNING':>8} {'FINISHED':>9} {'FAILED':>7} {'INFEASIBLE':>11} {'LEFT':>7}"
    yield paint(f"{'SWEEP':<{name_width}}  {'PRIORITY':>8} {columns}", "bold")
    for sweep in seen["sweeps"]:
        name = f"{cut(sweep['sweep'], name_width):<{name_width}}"
        yield f"{name}  {sweep['priority']:>8} {_counts(sweep)}".rstrip()
        later = f"{sweep['delayed']} of them wait after a failure" if sweep["delayed"] else ""
        if why := "; ".join(filter(None, (sweep["waits"], later))):
            yield from (paint(line, "dim") for line in wrapped(f"waits: {why}", width, "  "))


def _counts(sweep: Mapping[str, Any]) -> str:
    running = sweep["assigned"] + sweep["running"]
    counts = f"{sweep['queued']:>7} {running:>8} {sweep['finished']:>9} {sweep['failed']:>7} {sweep['infeasible']:>11}"
    return f"{counts} {lasting(sweep['left_s']):>7}"


def _widest(title: str, names: Any, most: int) -> int:
    return min(most, max(map(len, (title, *names))))
