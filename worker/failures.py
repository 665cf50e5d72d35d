"""What went wrong with an attempt, and what that means for the run."""

from __future__ import annotations

import traceback
from typing import NamedTuple

from worker.link import RedisError
from worker.spec import FailureClass


class ReleasedError(Exception):
    """The attempt stopped as ordered, with a checkpoint."""


class CancelledError(Exception):
    """The attempt was called off."""


class TimeLimitError(Exception):
    """The attempt ran longer than its sweep allows."""


class DivergedError(Exception):
    """The loss is not a finite number."""


class TrackingError(Exception):
    """MLflow could not be told in time."""


class Failure(NamedTuple):
    """A failed attempt, as reported."""

    kind: FailureClass
    signature: str
    """Exception type and last line: equal for equal failures."""
    message: str


def classify(error: BaseException) -> Failure:
    """Put an exception into its class; out of memory is recognised by TensorFlow's name for it too."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].name}:{frames[-1].lineno}" if frames else ""
    name = type(error).__name__
    return Failure(_kind(error), f"{name}{where}", f"{name}: {str(error) or 'no message'}"[:2000])


def _kind(error: BaseException) -> FailureClass:
    if isinstance(error, TimeLimitError):
        return FailureClass.TIMEOUT
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return FailureClass.OOM
    if isinstance(error, TrackingError | OSError | RedisError):
        return FailureClass.INFRA
    return FailureClass.USER
