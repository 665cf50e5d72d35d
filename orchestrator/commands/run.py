"""`orchestrator run`: from nothing to the leaderboard, stoppable at any moment; through an API, from afar."""

from __future__ import annotations

import signal
import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console

from orchestrator.commands.follow import Care, follow
from orchestrator.commands.report import render_report
from orchestrator.commands.submission import describe
from orchestrator.errors import ServiceError

if TYPE_CHECKING:
    from orchestrator.backends.port import Backend
    from orchestrator.commands.session import Session
    from orchestrator.search_space.text_source import Source

INTERRUPTED = 130
_RETRY_S = 5.0


def run_here(source: Source) -> int:
    """Start what is needed and train a search space to its end; gives the exit code: 0 where every run is finished."""
    from orchestrator.backends.direct import Direct
    from orchestrator.commands.session import open_up
    from orchestrator.settings import from_environment

    console = Console(file=sys.stdout)
    backend = Direct(from_environment())
    made = backend.planned(source)
    name = made.space.name
    signal.signal(signal.SIGTERM, _interrupt)
    session = None
    try:
        session = open_up()
        console.print(f"{name}: {describe(backend.queue(made, source.text))}")
        console.print(f"MLflow: {session.mlflow}   logs: {session.settings.home / 'logs'}", soft_wrap=True)
        follow(backend, name, console, _care_of(session, console))
    except KeyboardInterrupt:
        _hold(session, name, console)
        return INTERRUPTED
    code = _report(backend, name, console)
    console.print(f"MLflow goes on listening at {session.mlflow}; `orchestrator down` stops it.", soft_wrap=True)
    return code


def run_there(backend: Backend, source: Source) -> int:
    """Submit a search space to an API and follow it; gives the exit code as `run_here` does."""
    console = Console(file=sys.stdout)
    seen = backend.submit(source)
    name = seen["sweep"]
    console.print(f"{name}: {describe(seen)}")
    try:
        follow(backend, name, console, Care((ServiceError,), lambda error: _wait(error, console)))
    except KeyboardInterrupt:
        console.print(f"{name} goes on; `orchestrator run` follows it again, `orchestrator cancel {name}` ends it")
        return INTERRUPTED
    return _report(backend, name, console)


def _report(backend: Backend, name: str, console: Console) -> int:
    seen = backend.report(name)
    console.print(render_report(seen))
    return 0 if seen["complete"] else 1


def _care_of(session: Session, console: Console) -> Care:
    from orchestrator.redis_door import RedisError

    def start_again(error: Exception) -> None:
        console.print(f"Redis is away ({error}); starting what is missing")
        session.services.up()

    def revive() -> None:
        if missing := session.services.missing():
            log = session.services.log(missing[0])
            console.print(f"{', '.join(missing)} is gone ({log} may say why); starting it again")
            session.services.up()

    return Care((RedisError, ServiceError), start_again, revive)


def _wait(error: Exception, console: Console) -> None:
    console.print(f"{error}; trying again", soft_wrap=True)
    time.sleep(_RETRY_S)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _hold(session: Session | None, name: str, console: Console) -> None:
    """Release the sweep's running runs, and stop the services where this command has started them."""
    from orchestrator.commands.session import close_down
    from orchestrator.settings import from_environment

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
    from orchestrator.states import RunState

    deadline = time.monotonic() + session.settings.balancer.stop_grace_s
    while session.ledger.runs(name, RunState.ASSIGNED, RunState.RUNNING) and time.monotonic() < deadline:
        time.sleep(0.1)
