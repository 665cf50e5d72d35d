"""One balancer for each installation: a file lock, which its process holds until it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestrator.errors import ServiceError


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the balancer's file lock.

    Raises:
        ServiceError: another balancer holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "balancer.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ServiceError(f"another balancer is running for {home}; `orchestrator down` stops it") from error
        os.set_inheritable(lock.fileno(), False)
        yield
