"""What a person can ask of a submitted sweep: pause, resume, cancel, retry."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from orchestrator.commands.session import open_existing
from orchestrator.ledger import Ledger, RefusedError
from orchestrator.records import Group, Run
from orchestrator.states import UNDER_WAY, RunState
from worker.spec import sweep_key

_FRESH = {"failures": "{}", "not_before": 0, "message": ""}


def pause(sweep: str) -> str:
    """Start no more runs of the sweep."""
    ledger = open_existing().ledger
    ledger.sweep(sweep)
    ledger.mark_sweep(sweep, paused="by a person")
    return f"{sweep} is paused; runs that are under way go on"


def resume(sweep: str) -> str:
    """Lift a pause or a hold, and forget the failures that led to it."""
    ledger = open_existing().ledger
    ledger.sweep(sweep)
    ledger.redis.delete(f"{sweep_key(sweep)}:signatures")
    ledger.redis.hdel(sweep_key(sweep), "stillborn")
    ledger.mark_sweep(sweep, paused="", hold="0")
    return f"{sweep} goes on"


def cancel(sweep: str, names: Sequence[str]) -> str:
    """Cancel the named runs, or all that are not over."""
    ledger = open_existing().ledger
    done = 0
    for run in _chosen(ledger, sweep, names, UNDER_WAY):
        with contextlib.suppress(RefusedError):
            ledger.move(run.run_id, RunState.CANCELLED, fields={"message": "by a person"})
            done += 1
    ledger.wake()
    return f"{done} runs of {sweep} cancelled"


def retry(sweep: str, names: Sequence[str]) -> str:
    """Queue again what failed, did not fit or was cancelled."""
    ledger = open_existing().ledger
    again = frozenset({RunState.FAILED, RunState.INFEASIBLE, RunState.CANCELLED})
    done = 0
    exclusive = ledger.sweep(sweep).policy.exclusive
    for run in _chosen(ledger, sweep, names, again):
        group = Group.of(run.spec, exclusive=exclusive)
        ledger.add_group(sweep, group)
        with contextlib.suppress(RefusedError):
            ledger.move(run.run_id, RunState.QUEUED, fields={**_FRESH, "group": group.name})
            done += 1
    ledger.wake()
    return f"{done} runs of {sweep} queued again"


def _chosen(ledger: Ledger, sweep: str, names: Sequence[str], states: frozenset[RunState]) -> Iterator[Run]:
    ledger.sweep(sweep)
    runs = [ledger.find_run(name) for name in names] if names else ledger.runs(sweep, *states)
    return (run for run in runs if run.sweep == sweep and run.state in states)
