"""Workers as containers, one for each lease.

A container is this installation's own by its label, whatever its name; no other is ever touched. It runs as an
ordinary user, on a read-only root, without capabilities, on a network of its own, and sees the device of its lease
alone. What it printed goes to `logs/workers/` before it is removed.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.balancer.launchers.engine import Engine, NameTakenError
from orchestrator.balancer.launchers.family import ProcessTable, is_seen, memory_mib
from orchestrator.balancer.launchers.limits import limits, memory_limit
from orchestrator.balancer.launchers.mounts import volumes_of
from orchestrator.balancer.launchers.pinning import pinned, threaded
from orchestrator.balancer.launchers.port import Launched
from orchestrator.records import Worker
from orchestrator.settings import ContainerSettings
from worker.spec import CPU_DEVICE

INSTALLATION = "hdsmlm.installation"
LEASE = "hdsmlm.lease"
_DEVICE = "hdsmlm.device"
_LOG = {"type": "json-file", "config": {"max-size": "10m", "max-file": "2"}}
_RUNNING = {"running", "paused", "restarting"}
_log = logging.getLogger(__name__)


class DockerLauncher:
    """Launches the worker's image through a Docker Engine."""

    def __init__(
        self,
        home: Path,
        environment: Mapping[str, str],
        settings: ContainerSettings,
        *,
        threads: int,
        command: Sequence[str] = (),
    ) -> None:
        """`environment` tells workers where Redis and MLflow are; each worker computes with `threads` threads.

        `command` starts a worker in the image; what the image starts by itself where none is given.

        Raises:
            ServiceError: the engine does not answer.
        """
        self._home, self._settings, self._threads, self._command = home, settings, threads, list(command)
        self._installation = settings.installation or str(home)
        self._environment = {**environment, **threaded(threads)}
        self._pids: dict[str, int] = {}
        self._table = ProcessTable()
        self._leases_mib: dict[str, int] = {}
        self._engine = Engine(settings.image)
        self._volumes = volumes_of(settings.folders, self._engine.mounts(socket.gethostname()))
        self._facts = self._engine.information()

    def start(self, worker: Worker) -> None:
        """Launch a container named after the lease, which has the memory of the lease from its first moment."""
        self._leases_mib[worker.worker_id] = worker.lease_mib
        try:
            self._engine.launch(self._options(worker))
        except NameTakenError:
            if not self._ids(worker.worker_id):
                raise

    def alive(self) -> dict[str, Launched]:
        """The containers that run; what has ended, or was never begun, is put away.

        Raises:
            ServiceError: the engine does not answer, so nothing is known.
        """
        found = self._found()
        for container in found:
            if container["State"] not in _RUNNING:
                self._remove(container["Id"], container["Labels"][LEASE])
        running = {one["Labels"][LEASE]: self._pid(one) for one in found if one["State"] in _RUNNING}
        families = self._table.families([pid for pid in running.values() if pid])
        members = {worker_id: families.get(pid, []) for worker_id, pid in running.items()}
        return {
            worker_id: Launched(worker_id, memory_mib(family), tuple(member.pid for member in family))
            for worker_id, family in members.items()
        }

    def resize(self, worker_id: str, lease_mib: int) -> None:
        """Let the container have the memory of its worker's new lease."""
        if self._leases_mib.get(worker_id) == lease_mib:
            return
        limit = memory_limit(lease_mib)
        for found in self._found(worker_id):
            if found["Labels"][_DEVICE] == CPU_DEVICE:
                self._engine.limit(found["Id"], limit)
        self._leases_mib[worker_id] = lease_mib

    def ask_to_leave(self, worker_id: str) -> None:
        """Send SIGTERM to the supervisor alone; the run in its child goes on."""
        for container_id in self._ids(worker_id):
            self._engine.terminate(container_id)

    def kill(self, worker_id: str) -> None:
        """Kill and remove the container; what it printed is kept."""
        for container_id in self._ids(worker_id):
            self._remove(container_id, worker_id)

    def _options(self, worker: Worker) -> dict[str, Any]:
        on_gpu = worker.device != CPU_DEVICE
        memory = f"{self._settings.ram_mib}m" if on_gpu else memory_limit(worker.lease_mib)
        return {
            **limits(memory, self._settings, self._threads, self._facts),
            "name": f"hdsmlm-{worker.worker_id}",
            "labels": self._labels(worker),
            "entrypoint": self._command or None,
            "command": ["--installation", str(self._home), "--id", worker.worker_id],
            "environment": {**self._environment, **pinned(worker)},
            "device_requests": [_gpu(worker.device)] if on_gpu else [],
            "user": self._settings.user or None,
            "network": self._settings.network or None,
            "volumes": self._volumes,
            "tmpfs": {"/tmp": f"size={self._settings.tmp_mib}m,mode=1777"},
            "init": True,
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "log_config": _LOG,
        }

    def _labels(self, worker: Worker) -> dict[str, str]:
        return {
            INSTALLATION: self._installation,
            LEASE: worker.worker_id,
            "hdsmlm.sweep": worker.sweep,
            _DEVICE: worker.device,
        }

    def _found(self, worker_id: str = "") -> list[dict[str, Any]]:
        labels = [f"{INSTALLATION}={self._installation}", f"{LEASE}={worker_id}" if worker_id else LEASE]
        return self._engine.containers(labels)

    def _ids(self, worker_id: str) -> list[str]:
        return [container["Id"] for container in self._found(worker_id)]

    def _pid(self, found: Mapping[str, Any]) -> int:
        """Its first process as the host numbers it; 0 where that cannot be seen from here."""
        container_id = found["Id"]
        if container_id not in self._pids:
            pid = self._engine.first_pid(container_id)
            if pid is None:
                return 0
            self._pids[container_id] = pid if _is_of(pid, container_id, found["Labels"][LEASE]) else 0
        return self._pids[container_id]

    def _remove(self, container_id: str, worker_id: str) -> None:
        self._pids.pop(container_id, None)
        self._leases_mib.pop(worker_id, None)
        self._engine.remove(container_id, self._home / "logs" / "workers" / f"{worker_id}.log")


def _gpu(device: str) -> dict[str, Any]:
    return {"device_ids": [device], "capabilities": [["gpu"]]}


def _is_of(pid: int, container_id: str, worker_id: str) -> bool:
    if is_seen(pid, container_id, worker_id):
        return True
    _log.warning("processes of workers cannot be seen from here; run the balancer with `pid: host`")
    return False
