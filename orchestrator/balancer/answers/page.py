"""What `balancer explain` says to people: the object of `inquiry.py` as a page of text."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.balancer.answers.painting import Paint, coloured, cut, gib, lasting, plain, wrapped
from orchestrator.balancer.answers.status import standing


def render_answer(answer: Mapping[str, Any], *, width: int = 100, colour: bool = False) -> str:
    """The answer as text for a terminal."""
    return "\n".join(_lines(answer, width, coloured if colour else plain))


def _lines(answer: Mapping[str, Any], width: int, paint: Paint) -> Iterator[str]:
    yield from (paint(line, "red") for line in standing(answer))
    tried = f", attempt {answer['attempts']}" if answer["under_way"] else f", {answer['attempts']} attempts so far"
    failures = "".join(f", {count} × {failure}" for failure, count in answer["failures"].items())
    yield paint(answer["slug"], "bold")
    yield f"run {answer['run']} of {answer['sweep']}: {answer['state']}{tried if answer['attempts'] else ''}{failures}"
    if answer["queue"]:
        yield from _queued(answer["queue"], width, paint)
    elif answer["under_way"]:
        yield from _under_way(answer["under_way"], paint)
    else:
        yield from _over(answer)
    if answer["message"]:
        yield from wrapped(f"last message: {answer['message']}", width, "")


def _queued(queue: Mapping[str, Any], width: int, paint: Paint) -> Iterator[str]:
    yield from (paint(line, "yellow") for line in wrapped(f"waits: {queue['why']}", width, ""))
    yield from filter(None, (_place(queue), _retry(queue), _reserved(queue["reservation"])))
    yield ""
    yield from _device_by_device(queue["devices"], width, paint)


def _device_by_device(devices: Sequence[Mapping[str, Any]], width: int, paint: Paint) -> Iterator[str]:
    names = max([len("DEVICE"), *(len(device["name"]) for device in devices)])
    sources = max([len("CAP FROM"), *(len(device["cap_from"]) for device in devices)])
    numbers = f"{'PREDICTED':>9} {'LEARNED':>7} {'CAP':>6} {'LEASE':>6} {'HEADROOM':>8}"
    yield paint(f"{'DEVICE':<{names}}  {numbers}  {'CAP FROM':<{sources}}  IN THE WAY", "bold")
    room = max(20, width - names - sources - 46)
    for device in devices:
        why = cut(device["why"] or "nothing", room)
        yield f"{device['name']:<{names}}  {_numbers(device)}  {device['cap_from']:<{sources}}  {why}"
    yield "Memory in GiB; lease = cap and what a worker holds beside it."
    for device in devices:
        if len(device["why"]) > room:
            yield from wrapped(f"{device['name']}: {device['why']}", width, "  ")


def _numbers(device: Mapping[str, Any]) -> str:
    learned = "" if device["learned_mib"] is None else gib(device["learned_mib"])
    needs = f"{gib(device['predicted_mib']):>9} {learned:>7} {gib(device['cap_mib']):>6} {gib(device['lease_mib']):>6}"
    return f"{needs} {gib(device['headroom_mib']):>8}"


def _place(queue: Mapping[str, Any]) -> str:
    if queue["runs_before"] is None:
        return ""
    before, like_it = queue["runs_before"], queue["like_it_before"]
    alike = f", {like_it:,} of them like it" if like_it else ""
    return f"place in the queue: {before:,} run{'s' * (before != 1)} before it{alike}"


def _retry(queue: Mapping[str, Any]) -> str:
    if queue["retry_at"] is None:
        return ""
    return f"joins the queue again at {time.strftime('%H:%M:%S', time.localtime(queue['retry_at']))}"


def _reserved(reservation: Mapping[str, Any] | None) -> str:
    if reservation is None:
        return ""
    after = f", after run {reservation['after_run'][:6]}" if reservation["after_run"] else ""
    soon = f" in {lasting(reservation['in_s'])}" if reservation["in_s"] is not None else ", nobody knows when"
    return f"reserved: will fit on {reservation['name']}{after}{soon}; nothing is started there that would delay it"


def _under_way(doing: Mapping[str, Any], paint: Paint) -> Iterator[str]:
    left = f", {lasting(doing['ends_in_s'])} left" if doing["ends_in_s"] is not None else ""
    epochs = f": epoch {doing['epoch']} of {doing['epochs']}, {doing['steps_per_s']:.1f} steps/s{left}"
    yield f"on {doing['name']}, worker {doing['worker']} ({doing['worker_state']}){epochs if doing['epochs'] else ''}"
    yield ""
    columns = ("predicted", "learned", "cap", "lease", "observed", "peak")
    yield paint("GiB " + " ".join(f"{name.upper():>10}" for name in columns), "bold")
    amounts = (doing[f"{name}_mib"] for name in columns)
    yield "    " + " ".join(f"{'?' if mib is None else gib(mib):>10}" for mib in amounts)


def _over(answer: Mapping[str, Any]) -> Iterator[str]:
    if answer["ended_at"]:
        took = f", after {lasting(answer['ended_at'] - answer['started_at'])}" if answer["started_at"] else ""
        yield f"ended {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(answer['ended_at']))}{took}"
    if answer["peak_mib"]:
        yield f"measured peak {gib(answer['peak_mib'])} GiB"
    if answer["metrics"]:
        known = ((name, value) for name, value in answer["metrics"].items() if value is not None)
        yield ", ".join(f"{name} {value:.4g}" for name, value in known)
