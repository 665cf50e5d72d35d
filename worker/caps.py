"""How a supervisor keeps its run within what its lease grants of the machine's memory, so that a run which needs more
dies alone, as `oom`, and takes neither its supervisor nor a neighbour along.

Where a control group was delegated to workers (`worker.cgroup`), the kernel holds the run; else a thread watches its
resident memory (`worker.resident`). On a GPU the run caps itself (`worker.accelerator`) and nothing is fenced here.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import NamedTuple, Protocol

from worker.cgroup import Group, delegated_group
from worker.resident import Watchdog
from worker.settings import WorkerSettings
from worker.spec import CPU_DEVICE

_FIRST_TO_DIE = 1000


class Overrun(NamedTuple):
    """A run that wanted more than its cap, and what it held when that was seen."""

    cap_mib: int
    held_mib: int

    def __str__(self) -> str:
        return f"it held {self.held_mib} MiB and its cap is {self.cap_mib} MiB"


class Fence(Protocol):
    """Holds one process at a time under a cap."""

    name: str

    def enclose(self, pid: int, cap_mib: int) -> None:
        """Hold a process that was just forked.

        Raises:
            OSError: it cannot be held.
        """

    def release(self) -> int | None:
        """End holding a process that is dead: what it held, MiB, where it was ended for that."""


class Caps:
    """Holds one worker's runs, each under its own cap, by the best fence that can be had."""

    def __init__(self, fences: tuple[Fence, ...]) -> None:
        """`fences` are tried in their order."""
        self._fences = fences
        self._cap_mib = 0
        self._holding: Fence | None = None
        self._overrun: Overrun | None = None

    @property
    def name(self) -> str:
        """What holds the runs."""
        return self._fences[0].name if self._fences else "nothing"

    def enclose(self, pid: int, cap_mib: int) -> None:
        """Hold the run's process, and offer it to the kernel first should the whole machine be out of memory.

        A cap of 0 is none.
        """
        self._overrun = self._holding = None
        self._cap_mib = cap_mib
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/oom_score_adj").write_text(str(_FIRST_TO_DIE))
        for fence in self._fences if cap_mib else ():
            try:
                fence.enclose(pid, cap_mib)
            except OSError as error:
                print(f"worker: the run cannot be held by {fence.name}: {error}", flush=True)
                continue
            self._holding = fence
            return

    def release(self) -> Overrun | None:
        """Once the process is dead: its overrun, if that was the cause; the same until the next one is held."""
        if self._holding:
            held_mib = self._holding.release()
            self._overrun = Overrun(self._cap_mib, held_mib) if held_mib is not None else None
            self._holding = None
        return self._overrun


def caps_of(settings: WorkerSettings) -> Caps:
    """The caps that a worker's settings ask for."""
    if settings.device != CPU_DEVICE:
        return Caps(())
    parent = settings.cgroup or delegated_group()
    if parent is None or not os.access(parent, os.W_OK):
        return Caps((Watchdog(),))
    return Caps((Group(parent, settings.worker_id), Watchdog()))
