"""The states of a run and the moves between them.

    queued ──▶ assigned ──▶ running ──▶ finished
      ▲ │         │            │   ├──▶ failed         budget of its failure class is spent
      │ │         │            │   ├──▶ infeasible     does not fit the largest device (also from queued)
      │ └─────────┼────────────┼───┴──▶ cancelled      (from queued, assigned or running)
      └───────────┴────────────┘
             lost, released, retried

Submitting creates `queued`; from then on only the balancer moves a run, but for a user's cancel and retry.
"""

from __future__ import annotations

from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands."""

    QUEUED = "queued"
    """Waits for a worker."""
    ASSIGNED = "assigned"
    """Given to a worker that has not yet said that it started."""
    RUNNING = "running"
    """Trains."""
    FINISHED = "finished"
    """Has one accepted result."""
    FAILED = "failed"
    """Spent the budget of its failure class."""
    INFEASIBLE = "infeasible"
    """Needs more memory than the largest device has."""
    CANCELLED = "cancelled"
    """Stopped by a person."""

    @property
    def is_over(self) -> bool:
        """Whether the run stays here unless a person asks for more."""
        return self not in UNDER_WAY


UNDER_WAY = frozenset({RunState.QUEUED, RunState.ASSIGNED, RunState.RUNNING})

_FROM: dict[RunState, frozenset[RunState]] = {
    RunState.QUEUED: frozenset(
        {RunState.ASSIGNED, RunState.RUNNING, RunState.FAILED, RunState.INFEASIBLE, RunState.CANCELLED}
    ),
    RunState.ASSIGNED: frozenset({RunState.QUEUED}),
    RunState.RUNNING: frozenset({RunState.ASSIGNED}),
    RunState.FINISHED: frozenset({RunState.ASSIGNED, RunState.RUNNING}),
    RunState.FAILED: frozenset({RunState.ASSIGNED, RunState.RUNNING}),
    RunState.INFEASIBLE: frozenset({RunState.QUEUED, RunState.RUNNING}),
    RunState.CANCELLED: UNDER_WAY,
}


def sources(target: RunState) -> frozenset[RunState]:
    """The states from which a run may move to `target`; the ledger's scripts check against them."""
    return _FROM[target]
