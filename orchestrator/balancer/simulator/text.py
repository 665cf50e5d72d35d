"""A result as text: the figures, and a timeline with one line for each place on a device."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestrator.balancer.simulator.attempts import Ending
from orchestrator.balancer.simulator.result import OOMS, Result
from orchestrator.balancer.simulator.workers import Span

_NAME = 9
"""Columns before each line of the timeline."""
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def render(result: Result, width: int = 105) -> str:
    """Everything that a person wants to know of it, in lines of so many columns where they must be long."""
    return "\n".join([*_figures(result), "", *_timeline(result, max(20, width - _NAME))])


def _figures(result: Result) -> Iterator[str]:
    bounds = result.bounds
    parts = f"longest run {_time(bounds.longest_s)}, memory {_time(bounds.memory_s)}, compute {_time(bounds.compute_s)}"
    ooms = ", ".join(f"{ending.value} {result.endings.get(ending, 0)}" for ending in OOMS)
    yield f"policy         {result.policy}, seed {result.seed}, {result.runs} runs on {len(result.devices)} devices"
    yield f"makespan       {_time(result.makespan_s)}, {result.ratio:.2f} × the lower bound"
    yield f"lower bound    {_time(bounds.bound_s)} ({parts})"
    yield f"utilisation    memory {result.memory_used:.0%}, compute {result.compute_used:.0%}"
    if result.packing is not None:
        yield f"packing        {result.packing:.0%} of the best feasible while runs waited"
    yield f"out of memory  {ooms}"
    yield f"given up       {result.given_up} runs"


def _timeline(result: Result, columns: int) -> Iterator[str]:
    signatures = sorted({span.signature for span in result.spans})
    letters = {name: _LETTERS[index % len(_LETTERS)] for index, name in enumerate(signatures)}
    yield f"a column is {_time(result.makespan_s / columns)}, a letter a memory signature, ! a death, _ a short run"
    for device in result.devices:
        lanes = _lanes([span for span in result.spans if span.device_id == device])
        for number, lane in enumerate(lanes or [[]]):
            yield f"{device if not number else '':>{_NAME - 1}} {_bar(lane, letters, columns, result.makespan_s)}"


def _lanes(spans: Sequence[Span]) -> list[list[Span]]:
    """Spans that do not overlap share a line."""
    lanes: list[list[Span]] = []
    for span in sorted(spans, key=lambda one: one.began_at):
        free = next((lane for lane in lanes if lane[-1].ended_at <= span.began_at), None)
        if free is None:
            lanes.append([span])
        else:
            free.append(span)
    return lanes


def _bar(lane: Sequence[Span], letters: dict[str, str], columns: int, makespan_s: float) -> str:
    cells = [" "] * columns
    for span in lane:
        first = min(columns - 1, int(span.began_at / makespan_s * columns))
        last = min(columns, max(first, int(span.ended_at / makespan_s * columns)))
        cells[first:last] = letters[span.signature] * (last - first)
        if span.ending.is_death:
            cells[min(columns - 1, max(first, last - 1))] = "!"
        elif first == last and span.ending is Ending.FINISHED and cells[first] == " ":
            cells[first] = "_"
    return "".join(cells)


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
