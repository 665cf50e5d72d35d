"""`orchestrator logs`: what a run's attempts printed."""

from __future__ import annotations

import codecs
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.errors import OrchestratorError

if TYPE_CHECKING:
    from orchestrator.backends.port import Answer, Backend
    from orchestrator.records import Run

_EVERY_S = 0.3
_PIECE = 256 * 1024
"""Most bytes of one answer."""


def read_log(run: Run, home: Path, attempt: str | None, position: int) -> dict[str, Any]:
    """The next piece of the log of a run's latest attempt.

    `attempt` and `position` are those of the answer before, and count only while no further attempt has printed;
    `attempt` is null before any has. `end` is true where there is no more just now, `over` where there never will be.

    Raises:
        OrchestratorError: the log is there and cannot be read.
    """
    try:
        return _piece(run, home / "logs" / "runs" / run.run_id, attempt, position)
    except OSError as error:
        raise OrchestratorError(
            f"the log of run {run.run_id} cannot be read ({error}); check who may read it"
        ) from error


def print_log(backend: Backend, name: str) -> None:
    """Print the latest attempt's log.

    Raises:
        OrchestratorError: no attempt has printed anything yet.
    """
    said = backend.log(name)
    if said["attempt"] is None:
        raise OrchestratorError(f"run {said['run']} is {said['state']} and has printed nothing yet")
    _print_to_the_end(backend, said)


def follow_log(backend: Backend, name: str) -> None:
    """Print the log as it grows, over further attempts too, until the run is over."""
    said = _print_to_the_end(backend, backend.log(name))
    while not said["over"]:
        time.sleep(_EVERY_S)
        said = _print_to_the_end(backend, backend.log(said["run"], said["attempt"], said["position"]))


def _piece(run: Run, folder: Path, attempt: str | None, position: int) -> dict[str, Any]:
    log = max(folder.glob("*.log"), key=lambda path: path.stat().st_mtime, default=None)
    seen = {"run": run.run_id, "state": str(run.state), "over": run.state.is_over}
    if log is None:
        return {**seen, "attempt": None, "position": 0, "end": True, "text": ""}
    start = position if attempt == log.stem else 0
    text, stop = _read(log, start, over=run.state.is_over)
    return {**seen, "attempt": log.stem, "position": stop, "end": stop == start or _size(log) == stop, "text": text}


def _print_to_the_end(backend: Backend, said: Answer) -> Answer:
    """Print this piece and those after it; gives the last one."""
    while True:
        sys.stdout.write(said["text"])
        sys.stdout.flush()
        if said["end"]:
            return said
        said = backend.log(said["run"], said["attempt"], said["position"])


def _read(log: Path, start: int, *, over: bool) -> tuple[str, int]:
    """Text from a position on, and where it stops: never inside a character that may still be completed."""
    with log.open("rb") as file:
        file.seek(start)
        content = file.read(_PIECE)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text = decoder.decode(content, final=over and len(content) < _PIECE)
    return text, start + len(content) - len(decoder.getstate()[0])


def _size(log: Path) -> int:
    return log.stat().st_size
