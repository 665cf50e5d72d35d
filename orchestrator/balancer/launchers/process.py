"""Workers as processes of this machine, each in a session of its own.

A worker is known by the end of its command line, `--installation HOME --id ID`, so a balancer that starts anew finds
what another one launched, and touches nothing else.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from orchestrator.balancer.launchers.family import ProcessTable, memory_mib
from orchestrator.balancer.launchers.pinning import pinned, threaded
from orchestrator.balancer.launchers.port import Launched
from orchestrator.records import Worker


class ProcessLauncher:
    """Launches `python -m worker`."""

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str],
        *,
        threads: int,
        weighs: bool = True,
        command: Sequence[str] = (),
    ) -> None:
        """`environment` tells workers where Redis and MLflow are; each worker computes with `threads` threads.

        `command` starts a worker; `python -m worker` where none is given. Who does not weigh them does not tell their
        share of the machine's memory, for which nobody asks where they train on GPUs.
        """
        self._installation = str(home)
        self._logs = home / "logs" / "workers"
        self._command = list(command) or [sys.executable, "-m", "worker"]
        self._environment = {**environment, **threaded(threads)}
        self._weighs = weighs
        self._processes: dict[str, psutil.Process] = self._find()
        self._table = ProcessTable()

    def start(self, worker: Worker) -> None:
        """Launch the worker; its output goes to a log of its own."""
        if worker.worker_id in self._processes:
            return
        self._logs.mkdir(parents=True, exist_ok=True)
        with (self._logs / f"{worker.worker_id}.log").open("ab") as log:
            process = psutil.Popen(
                [*self._command, *_arguments(self._installation), worker.worker_id],
                env={**os.environ, **self._environment, **pinned(worker)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes[worker.worker_id] = process

    def alive(self) -> dict[str, Launched]:
        """The workers that live; those that ended are reaped."""
        self._processes = {name: process for name, process in self._processes.items() if _lives(process)}
        families = self._table.families([process.pid for process in self._processes.values()])
        return {name: self._launched(name, families[process.pid]) for name, process in self._processes.items()}

    def resize(self, worker_id: str, lease_mib: int) -> None:
        """Nothing to do: the worker holds its run under the cap."""

    def ask_to_leave(self, worker_id: str) -> None:
        """Send SIGTERM to the supervisor alone; the run in its child goes on."""
        if process := self._processes.get(worker_id):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGTERM)

    def kill(self, worker_id: str) -> None:
        """Kill the supervisor and its child."""
        if process := self._processes.get(worker_id):
            for member in [process, *_children(process)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    member.kill()

    def _launched(self, worker_id: str, family: Sequence[psutil.Process]) -> Launched:
        return Launched(worker_id, memory_mib(family) if self._weighs else 0, tuple(member.pid for member in family))

    def _find(self) -> dict[str, psutil.Process]:
        marks = _arguments(self._installation)
        found = {}
        for process in psutil.process_iter(["cmdline"]):
            command = process.info["cmdline"] or []
            if command[-len(marks) - 1 : -1] == marks and _parent_is_no_worker(process, marks):
                found[command[-1]] = process
        return found


def _arguments(installation: str) -> list[str]:
    return ["--installation", installation, "--id"]


def _parent_is_no_worker(process: psutil.Process, marks: list[str]) -> bool:
    """A run's process is a fork of its supervisor and shares its command line."""
    try:
        parent = process.parent()
        return parent is None or parent.cmdline()[-len(marks) - 1 : -1] != marks
    except psutil.Error:
        return True


def _lives(process: psutil.Process) -> bool:
    if isinstance(process, psutil.Popen):
        return process.poll() is None
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.is_running()
        process.wait(timeout=0)
    except psutil.Error:
        return False
    return False


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.NoSuchProcess:
        return []
