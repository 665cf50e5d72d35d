"""Workers of the simulated machine: what they are, what they report, and what is left of them in the timeline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from orchestrator.balancer.simulator.attempts import Attempt, Ending


class Event(NamedTuple):
    """What a worker reports, or the container engine of it."""

    kind: Literal["ready", "epoch", "ended", "gone"]
    worker_id: str
    run_id: str = ""
    ending: Ending | None = None
    peak_mib: int = 0
    """Of the run's own allocations so far."""


@dataclass
class Worker:
    """A container that takes one run after the other."""

    worker_id: str
    device_id: str
    cap_mib: int | None
    """What it lets a run allocate; None: anything."""
    foreign_before_mib: int
    """The most that foreigners held in the minute before its lease was given."""
    leased_at: float
    number: int
    ready: bool = False
    attempt: Attempt | None = None
    pids: list[int] = field(default_factory=list)
    """Its processes of late; the dead may still hold memory."""
    alive: bool = True


class Span(NamedTuple):
    """One attempt in the timeline."""

    device_id: str
    run_id: str
    signature: str
    began_at: float
    ended_at: float
    ending: Ending
    peak_mib: int
    """All that its process held at most."""
    worker_id: str
