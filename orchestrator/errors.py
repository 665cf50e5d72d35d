"""What can go wrong on the control plane, as one tree.

    OrchestratorError                 exit code 1
    ├── SearchSpaceError              exit code 2   the YAML, with every mistake and its place
    ├── InputError                    exit code 2   a movie or a table that cannot be trained on
    ├── UnknownNameError              exit code 2   a sweep or a run that the ledger does not know
    ├── LocalOnlyError                exit code 2   a command that cannot work through an API
    ├── AccessError                   exit code 2   no token for an API, or a wrong one
    ├── ServiceError                  exit code 3   Redis, MLflow or the balancer is out of reach
    ├── SupersededError               exit code 3   another balancer has taken over
    ├── RefusedError                                a move that a run's state does not allow
    └── FencedError                   a stale token; the caller's attempt is no longer the run's

The message says what was found, what was expected and what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class OrchestratorError(Exception):
    """The root; the command line prints its message and leaves with `exit_code`."""

    exit_code = 1


class Mistake(NamedTuple):
    """One thing wrong in a search space; `line` and `column` count from 1, 0 where the whole file is meant."""

    line: int
    column: int
    message: str


class SearchSpaceError(OrchestratorError):
    """A search space that must not be queued."""

    exit_code = 2

    def __init__(self, source: str, mistakes: Sequence[Mistake]) -> None:
        self.source = source
        self.mistakes = tuple(sorted(mistakes))
        super().__init__("\n".join(self._line(mistake) for mistake in self.mistakes))

    def _line(self, mistake: Mistake) -> str:
        place = f":{mistake.line}:{mistake.column}" if mistake.line else ""
        return f"{self.source}{place}: {mistake.message}"


class InputError(OrchestratorError):
    """Experimental data that is missing, unreadable or does not fit together."""

    exit_code = 2


class UnknownNameError(OrchestratorError):
    """A sweep or a run that was never submitted."""

    exit_code = 2


class LocalOnlyError(OrchestratorError):
    """What only works on the machine of the services."""

    exit_code = 2


class AccessError(OrchestratorError):
    """A token that is missing, unusable or wrong."""

    exit_code = 2


class ServiceError(OrchestratorError):
    """A service that is needed now does not answer."""

    exit_code = 3


class SupersededError(OrchestratorError):
    """Another balancer, started later, works on the same Redis."""

    exit_code = 3


class RefusedError(OrchestratorError):
    """A move that the transition table does not allow from the run's present state."""


class FencedError(OrchestratorError):
    """A report or a move with a token that is not the run's current one."""
