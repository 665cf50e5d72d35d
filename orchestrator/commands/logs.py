"""`orchestrator logs`: what a run's attempts printed."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from orchestrator.commands.session import Session
from orchestrator.errors import OrchestratorError

_EVERY_S = 0.2


def print_log(session: Session, name: str) -> None:
    """Print the latest attempt's log.

    Raises:
        OrchestratorError: no attempt has printed anything yet.
    """
    run = session.ledger.find_run(name)
    path = _latest(session, run.run_id)
    if path is None:
        raise OrchestratorError(f"run {run.run_id} is {run.state} and has printed nothing yet")
    sys.stdout.write(path.read_text(errors="replace"))


def follow_log(session: Session, name: str) -> None:
    """Print the log as it grows, over further attempts too, until the run is over."""
    run_id = session.ledger.find_run(name).run_id
    shown: dict[Path, int] = {}
    while True:
        over = session.ledger.run(run_id).state.is_over
        if path := _latest(session, run_id):
            shown[path] = _print_from(path, shown.get(path, 0))
        if over:
            return
        time.sleep(_EVERY_S)


def _latest(session: Session, run_id: str) -> Path | None:
    return max(session.log_of(run_id).glob("*.log"), key=lambda path: path.stat().st_mtime, default=None)


def _print_from(path: Path, position: int) -> int:
    with path.open("rb") as log:
        log.seek(position)
        sys.stdout.write(log.read().decode(errors="replace"))
        sys.stdout.flush()
        return log.tell()
