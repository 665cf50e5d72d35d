"""What a person can ask of a submitted sweep: pause, resume, cancel, retry."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from orchestrator.errors import RefusedError
from orchestrator.records import Group, Run
from orchestrator.states import UNDER_WAY, RunState

if TYPE_CHECKING:
    from orchestrator.ledger import Ledger

_FRESH = {"failures": "{}", "not_before": 0, "message": ""}


def steer(ledger: Ledger, action: str, sweep: str, names: Sequence[str]) -> str:
    """Do what is asked with a sweep, or with the named ones of its runs; says what came of it.

    Raises:
        UnknownNameError: the sweep or a run is not known.
    """
    return _ACTIONS[action](ledger, sweep, names)


def _pause(ledger: Ledger, sweep: str, _names: Sequence[str]) -> str:
    """Start no more runs of the sweep."""
    ledger.sweep(sweep)
    ledger.mark_sweep(sweep, paused="by a person")
    return f"{sweep} is paused; runs that are under way go on"


def _resume(ledger: Ledger, sweep: str, _names: Sequence[str]) -> str:
    """Lift a pause or a hold, and forget the failures that led to it."""
    ledger.sweep(sweep)
    ledger.forget_failures(sweep)
    ledger.mark_sweep(sweep, paused="", hold="0")
    return f"{sweep} goes on"


def _cancel(ledger: Ledger, sweep: str, names: Sequence[str]) -> str:
    """Cancel the named runs, or all that are not over."""
    done = 0
    for run in _chosen(ledger, sweep, names, UNDER_WAY):
        with contextlib.suppress(RefusedError):
            ledger.move(run.run_id, RunState.CANCELLED, fields={"message": "by a person"})
            done += 1
    ledger.wake()
    return f"{done} runs of {sweep} cancelled"


def _retry(ledger: Ledger, sweep: str, names: Sequence[str]) -> str:
    """Queue again what failed, did not fit or was cancelled."""
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
    runs = ledger.find_runs(names) if names else ledger.runs(sweep, *states)
    return (run for run in runs if run.sweep == sweep and run.state in states)


_ACTIONS: Mapping[str, Callable[[Ledger, str, Sequence[str]], str]] = {
    "pause": _pause,
    "resume": _resume,
    "cancel": _cancel,
    "retry": _retry,
}
