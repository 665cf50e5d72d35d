"""Waiting for what other processes bring about."""

from __future__ import annotations

import time
from collections.abc import Callable

_PATIENCE_S = 30.0


def eventually(holds: Callable[[], object], within_s: float = _PATIENCE_S) -> None:
    """Wait until something holds.

    Raises:
        AssertionError: it does not, in time.
    """
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.01)
