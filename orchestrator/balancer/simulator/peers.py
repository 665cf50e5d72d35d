"""What others do, on the same machine: schedulers that count runs, and schedulers that ask how much memory is free.

They start a fresh process for every run, set no cap, and keep no books. A run that dies is queued again at its old
place and resumes from its checkpoint, as ours do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from orchestrator.balancer.simulator.attempts import Ending
from orchestrator.balancer.simulator.machine import Machine
from orchestrator.balancer.simulator.workers import Event


class Peer:
    """The common part: a queue in the order of submission, and one worker for each attempt."""

    machine: Machine

    def begin(self, machine: Machine) -> None:
        """Take over an idle machine with everything queued."""
        self.machine = machine
        self._places = {run.run_id: place for place, run in enumerate(machine.scenario.runs)}
        self.queue = list(self._places)
        self.working: dict[str, str] = {}
        """Device by worker."""
        self._runs: dict[str, str] = {}
        self._launched = 0
        self.look()

    def hear(self, event: Event) -> None:
        """Enter what happened."""
        if event.kind == "ready":
            self.machine.hand_over(event.worker_id, self._runs[event.worker_id])
        elif event.kind == "ended":
            self._ended(event)
        elif event.kind == "gone":
            self.working.pop(event.worker_id, None)
            self.look()

    def memory_changed(self) -> None:
        """Peers look when they look."""

    def look(self) -> None:
        """Start what can be started."""
        raise NotImplementedError

    def start(self, run_id: str, device_id: str) -> None:
        """Start a run on a device."""
        self._launched += 1
        worker_id = f"p{self._launched:05d}"
        self.queue.remove(run_id)
        self.working[worker_id], self._runs[worker_id] = device_id, run_id
        self.machine.launch(worker_id, device_id, None)

    def on(self, device_id: str) -> int:
        """Workers on a device."""
        return sum(device == device_id for device in self.working.values())

    def _ended(self, event: Event) -> None:
        if event.ending not in (Ending.FINISHED, Ending.USER):
            self.queue = sorted([*self.queue, event.run_id], key=self._places.__getitem__)
        if event.ending is not Ending.WORKER_LOST:
            self.machine.dismiss(event.worker_id)


class Fixed(Peer):
    """So many runs on each device, whatever they need: slots, time slices, fractions of a device."""

    def __init__(self, per_device: int) -> None:
        self._per_device = per_device

    def look(self) -> None:
        """Fill the emptiest device first."""
        while self.queue:
            device_id = min(self.machine.memories, key=self.on)
            if self.on(device_id) >= self._per_device:
                return
            self.start(self.queue[0], device_id)


class FreeMemory(Peer):
    """Asks every so often how much memory is free, and starts what is predicted to fit: one run on each device."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._polls_at = -1.0

    def look(self) -> None:
        """Wait for the next poll."""
        now = self.machine.clock.now
        if self.queue and self._polls_at <= now:
            self._polls_at = (math.floor(now / self._every_s) + 1) * self._every_s
            self.machine.clock.at(self._polls_at, self._poll)

    def _poll(self) -> None:
        for device_id, run_id in self._fits():
            self.start(run_id, device_id)
        self.look()

    def _fits(self) -> Iterator[tuple[str, str]]:
        for reading in self.machine.readings():
            if self.on(reading.device_id) < self.machine.scenario.fleet.workers_per_gpu:
                runs = (self.machine.runs[run_id] for run_id in self.queue)
                fitting = (run.run_id for run in runs if run.predicted_mib < reading.free_mib)
                if run_id := next(fitting, ""):
                    yield reading.device_id, run_id
