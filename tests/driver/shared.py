"""The state that the stand-in's library and those who control it share: one file that all have in memory."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
from collections.abc import Iterator
from pathlib import Path

from tests.driver import layout


class Shared:
    """The state in a file; devices, faults and counts stand in `rows`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self.rows = layout.State.from_buffer(mmap.mmap(file.fileno(), 0))

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """One writer at a time, whole changes only."""
        with self.path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.rows.sequence |= 1
            try:
                yield
            finally:
                self.rows.sequence += 1

    def add(self, fault: layout.Fault) -> None:
        """Let a fault begin."""
        with self.writing():
            free = next(place for place, found in enumerate(self.rows.faults) if not found.enabled)
            self.rows.faults[free] = fault
