"""The port that every launcher fulfils."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from orchestrator.records import Worker


class Launched(NamedTuple):
    """A worker that is alive."""

    worker_id: str
    memory_mib: int
    """Of the machine's memory, at least so much is in its hands now."""
    pids: tuple[int, ...] = ()
    """Its processes, as the driver of a GPU numbers them."""


class Launcher(Protocol):
    """Starts, finds and stops workers; finds also those that an earlier balancer started."""

    def start(self, worker: Worker) -> None:
        """Launch a worker under its id, exactly as leased. Starting an id again has no effect.

        Raises:
            OrchestratorError: it could not be launched.
        """

    def alive(self) -> dict[str, Launched]:
        """The workers of this installation that live, by id."""

    def resize(self, worker_id: str, lease_mib: int) -> None:
        """Let a worker of the machine's memory have a new lease. Without effect where it is gone."""

    def ask_to_leave(self, worker_id: str) -> None:
        """Let the worker finish what it has and leave. Without effect where it is gone."""

    def kill(self, worker_id: str) -> None:
        """End the worker and everything that it started, at once. Without effect where it is gone."""
