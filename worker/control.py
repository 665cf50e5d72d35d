"""Watches, beside the training, whether the attempt should go on.

A thread reads the attempt's control key a few times a second; the training loop asks `check` after every step. When
the supervisor dies, its child has nobody left to report to and ends at once.
"""

from __future__ import annotations

import os
import threading
import time

from worker.failures import CancelledError, ReleasedError, TimeLimitError
from worker.link import Link, RedisError
from worker.spec import Order

_EVERY_S = 0.25


class Control:
    """The will of the orchestrator towards one attempt."""

    def __init__(self, link: Link, run_id: str, token: str, timeout_s: float | None) -> None:
        self._link = link
        self._attempt = (run_id, token)
        self._deadline = time.monotonic() + timeout_s if timeout_s else None
        self._supervisor = os.getppid()
        self._order: Order | None = None
        self._done = threading.Event()

    def watch(self) -> None:
        """Begin watching."""
        threading.Thread(target=self._loop, name="control", daemon=True).start()

    def stop(self) -> None:
        """End watching."""
        self._done.set()

    def check(self) -> None:
        """Return where the attempt should go on.

        Raises:
            ReleasedError: it is to checkpoint and leave.
            CancelledError: it is to stop at once.
            TimeLimitError: its time is over.
        """
        if self._order is Order.RELEASE:
            raise ReleasedError
        if self._order is Order.CANCEL:
            raise CancelledError
        if self._deadline and time.monotonic() > self._deadline:
            raise TimeLimitError("the time limit of the sweep's policy is over; it will resume from its checkpoint")

    def _loop(self) -> None:
        while not self._done.wait(_EVERY_S):
            if os.getppid() != self._supervisor:
                os._exit(1)
            try:
                self._order = self._link.order(*self._attempt)
            except RedisError:
                continue
