"""What people and scripts can ask of an installation. Every answer is an object that JSON can hold.

`direct.py` answers from Redis and the disk, `remote.py` asks an API, and the API (`orchestrator.api`) is itself a skin
over the direct one. Commands render answers and know nothing else, so they print the same wherever these come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from orchestrator.search_space.text_source import Source

Answer = dict[str, Any]
Steer = Literal["pause", "resume", "cancel", "retry"]


class Backend(Protocol):
    """Answers, or raises an `OrchestratorError`."""

    def close(self) -> None:
        """Leave; what was connected is closed."""
        ...

    def plan(self, source: Source) -> Answer:
        """What a search space would train, and what of it is known."""
        ...

    def submit(self, source: Source) -> Answer:
        """Queue what is new of a search space."""
        ...

    def status(self, sweep: str | None, *, with_runs: bool = False) -> Answer:
        """Counts by state, of one sweep or of all."""
        ...

    def progress(self, sweep: str) -> Answer:
        """What a sweep is doing just now."""
        ...

    def report(self, sweep: str) -> Answer:
        """The cells of a sweep, ranked, and whether it is complete."""
        ...

    def promote(self, sweep: str) -> Answer:
        """Register the best model of a sweep in MLflow, as its champion."""
        ...

    def steer(self, action: Steer, sweep: str, runs: Sequence[str] = ()) -> Answer:
        """Pause or resume a sweep; cancel or retry it or some of its runs. `message` says what came of it."""
        ...

    def log(self, run: str, attempt: str | None = None, position: int = 0) -> Answer:
        """What the latest attempt of a run printed, in pieces; `position` counts in `attempt`'s log only."""
        ...

    def balancer(self) -> Answer:
        """Devices, workers and sweeps as the balancer last saw them."""
        ...

    def explain(self, run: str) -> Answer:
        """Why a run waits, or what it is doing."""
        ...

    def drain(self, device: str | None, *, now: bool) -> Answer:
        """Close a device, or all, for new runs. `lines` say what that means."""
        ...

    def reopen(self, device: str | None) -> Answer:
        """Use a device again, or all. `lines` say what was lifted."""
        ...
