"""`orchestrator run`: from nothing to the leaderboard, stoppable at any moment."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

from rich.console import Console

from orchestrator.commands.follow import follow
from orchestrator.commands.report import render_report
from orchestrator.commands.session import Session, close_down, open_up
from orchestrator.commands.standings import completeness
from orchestrator.commands.submission import describe, submit
from orchestrator.search_space.sweep import Plan
from orchestrator.settings import from_environment
from orchestrator.states import RunState

INTERRUPTED = 130


def run_to_the_end(made: Plan, file: Path) -> int:
    """Train what was planned from `file` to its end; gives the exit code: 0 where every run is finished."""
    console = Console(file=sys.stdout)
    name = made.space.name
    signal.signal(signal.SIGTERM, _interrupt)
    session = None
    try:
        session = open_up()
        console.print(f"{name}: {describe(submit(session.ledger, made, file))}")
        console.print(f"MLflow: {session.mlflow}   logs: {session.settings.home / 'logs'}", soft_wrap=True)
        follow(session, name, console)
    except KeyboardInterrupt:
        _hold(session, name, console)
        return INTERRUPTED
    console.print(render_report(session.ledger, name))
    console.print(f"MLflow goes on listening at {session.mlflow}; `orchestrator down` stops it.", soft_wrap=True)
    whole = completeness(session.ledger.runs(name))
    return 0 if whole.accepted == whole.runs else 1


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _hold(session: Session | None, name: str, console: Console) -> None:
    """Release the sweep's running runs, and stop the services where this command has started them."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    console.print("stopping: runs checkpoint and go back to the queue …")
    if session is None:
        close_down(from_environment())
        return
    if name in session.ledger.sweeps():
        session.ledger.mark_sweep(name, hold="1")
    if session.started:
        close_down(session.settings)
    else:
        _await_release(session, name)
    console.print(f"held; `orchestrator run` goes on with {name}")


def _await_release(session: Session, name: str) -> None:
    deadline = time.monotonic() + session.settings.balancer.stop_grace_s
    while session.ledger.runs(name, RunState.ASSIGNED, RunState.RUNNING) and time.monotonic() < deadline:
        time.sleep(0.1)
