"""A thread that watches the resident memory of one process and kills it above a cap.

`RLIMIT_AS` would count what TensorFlow maps and never touches, and Linux ignores `RLIMIT_RSS`. What it costs to
look twenty times a second is printed by `benchmarks/watchdog.py`.
"""

from __future__ import annotations

import threading

import psutil

from model.units import MIB

_EVERY_S = 0.05


class Watchdog:
    """Holds one process at a time."""

    name = "a watchdog on its resident memory"

    def __init__(self) -> None:
        self._released = threading.Event()
        self._thread: threading.Thread | None = None
        self._held_mib: int | None = None

    def enclose(self, pid: int, cap_mib: int) -> None:
        """Begin watching.

        Raises:
            OSError: there is no such process.
        """
        try:
            process = psutil.Process(pid)
        except psutil.Error as error:
            raise ProcessLookupError(str(error)) from error
        self._held_mib = None
        self._released.clear()
        self._thread = threading.Thread(target=self._watch, args=(process, cap_mib), name="watchdog", daemon=True)
        self._thread.start()

    def release(self) -> int | None:
        """End watching: what the process held when it was killed, MiB, if it was."""
        self._released.set()
        if self._thread:
            self._thread.join()
        return self._held_mib

    def _watch(self, process: psutil.Process, cap_mib: int) -> None:
        while not self._released.wait(_EVERY_S):
            try:
                held_mib = process.memory_info().rss // MIB
                if held_mib > cap_mib:
                    process.kill()
                    self._held_mib = held_mib
                    return
            except psutil.Error:
                return
