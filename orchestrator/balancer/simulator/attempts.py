"""One attempt at a run: what lies before it, and how far it is, in seconds of undisturbed work since its fork."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from orchestrator.balancer.simulator.scenario import Mishap, Run

_PEAK_BY = 0.95
"""Share of an attempt by which its peak comes, however late: runs of one signature need the same memory."""


class Ending(StrEnum):
    """How an attempt ended."""

    FINISHED = "finished"
    RELEASED = "released"
    """Stopped as ordered, with a checkpoint."""
    OWN_OOM = "own"
    """It went over its cap, or over its whole device."""
    FOREIGN_OOM = "foreign"
    """Foreigners hold more than in the minute before the youngest lease was given, and without that it had fitted."""
    NEIGHBOUR_OOM = "neighbour"
    """Memory was promised twice."""
    USER = "user"
    CRASH = "crash"
    WORKER_LOST = "worker lost"

    @property
    def is_death(self) -> bool:
        """Whether the process ended by itself before its time."""
        return self not in (Ending.FINISHED, Ending.RELEASED)


class Step(NamedTuple):
    """Something that happens when so much work is done."""

    at_s: float
    kind: str
    """`memory`, `epoch`, `end`, or a kind of mishap."""
    mib: int = 0


@dataclass
class Attempt:
    """A run in a worker."""

    run: Run
    worker_id: str
    pid: int
    number: int
    began_at: float
    kept_s: float
    """Training that earlier attempts left in a checkpoint, s."""
    init_s: float
    context_mib: int
    mishap: Mishap | None
    done_s: float = 0.0
    """At the time `since`."""
    since: float = 0.0
    speed: float = 0.0
    turn: int = 0
    """Counts changes of speed, so that what was planned at another speed is void."""
    peak_mib: int = 0
    """Of its own allocations so far."""
    ended: bool = False
    steps: deque[Step] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self.since = self.began_at
        self.steps.extend(sorted(self._plan(), key=lambda step: step.at_s))

    @property
    def length_s(self) -> float:
        """Work of the whole attempt."""
        return self.init_s + self.run.duration_s - self.kept_s

    @property
    def trained_s(self) -> float:
        """Training of the run, earlier attempts included, at the time `since`."""
        return self.kept_s + max(0.0, self.done_s - self.init_s)

    def advance(self, now: float) -> None:
        """Enter the work done up to now."""
        self.done_s += self.speed * (now - self.since)
        self.since = now

    def checkpoint_s(self) -> float:
        """Training that a death leaves: whole epochs."""
        epochs = int(self.trained_s / self.run.epoch_s + 1e-9)
        return max(self.kept_s, epochs * self.run.epoch_s)

    def _plan(self) -> Iterator[Step]:
        for after_s, share in self.run.curve:
            at_s = min(self.init_s + after_s, _PEAK_BY * self.length_s)
            yield Step(at_s, "memory", round(share * self.run.peak_mib))
        yield Step(min(self.init_s + self.run.epoch_s, self.length_s - 1e-6), "epoch")
        yield Step(self.length_s, "end")
        if self.mishap:
            yield Step(self.mishap.at_s, self.mishap.kind)
