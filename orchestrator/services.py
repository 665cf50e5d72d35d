"""The embedded services of one machine: a real Redis, a real MLflow server and a balancer, all under the home folder.

    .hdsmlm/services/<name>.json    process, start time and address of each, so that the next command finds it
    .hdsmlm/logs/<name>.log         what it says

A service that is configured by its address is never started or stopped here.
"""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import psutil

from orchestrator.addresses import redis_socket, redis_url
from orchestrator.errors import ServiceError
from orchestrator.processes import claim_port, end, is_locked, redis_at, redis_binary, runs
from orchestrator.settings import Settings

REDIS, MLFLOW, BALANCER = "redis", "mlflow", "balancer"
_MLFLOW_PORT = 5000
_REDIS_START_S = 20.0


class Service(NamedTuple):
    """A background process that was started here."""

    name: str
    pid: int
    started_at: float
    """As the operating system tells it, so that another process with the same number is not taken for it."""
    address: str


class Services:
    """Starts, finds and stops the embedded services."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._home = settings.home
        self._children: list[subprocess.Popen[bytes]] = []
        """What this process has started; it goes on without us, and must not be waited for."""

    def up(self) -> list[str]:
        """Start what is needed and does not run; gives the names of what was started.

        Redis answers when this returns; MLflow comes up in its own time.

        Raises:
            ServiceError: there is no Redis to start, or it does not come up.
        """
        with self._lock():
            missing = self.missing()
            if REDIS in missing:
                self._start_redis()
            if MLFLOW in missing and self._start_mlflow():
                self.stop(BALANCER)
            if BALANCER in self.missing():
                self._start(BALANCER, [sys.executable, "-m", "orchestrator.balancer", "run"], redis_url(self._settings))
            return missing

    def missing(self) -> list[str]:
        """What should run here and does not."""
        wanted = {
            REDIS: not self._settings.redis_url,
            MLFLOW: not self._settings.mlflow_url,
            BALANCER: self._settings.balancer.where == "here",
        }
        return [name for name, here in wanted.items() if here and not self._runs(name)]

    def _runs(self, name: str) -> bool:
        return bool(self.find(name)) or (name == BALANCER and is_locked(self._home / "balancer.lock"))

    def find(self, name: str) -> Service | None:
        """The service if it runs."""
        try:
            service = Service(**json.loads(self._record(name).read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return service if _process(service) else None

    def stop(self, name: str) -> bool:
        """Stop a service that was started here; whether there was one."""
        service = self.find(name)
        if service is None:
            return False
        if process := _process(service):
            end(process, with_children=name != BALANCER)
        self._children = [child for child in self._children if child.poll() is None]
        return True

    def log(self, name: str) -> Path:
        """Where the service's output goes."""
        return self._home / "logs" / f"{name}.log"

    def _start_redis(self) -> None:
        path = redis_socket(self._home)
        data = self._home / "redis"
        for folder in (data, path.parent):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)
        if pid := redis_at(path):
            self._remember(REDIS, pid, f"unix://{path}")
            return
        path.unlink(missing_ok=True)
        command = [redis_binary(), "--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"]
        keep = ["--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction", "--save", ""]
        self._start(REDIS, [*command, "--dir", str(data), *keep, "--daemonize", "no"], f"unix://{path}")
        self._wait_for_socket(path)

    def _wait_for_socket(self, path: Path) -> None:
        deadline = time.monotonic() + _REDIS_START_S
        while time.monotonic() < deadline and self.find(REDIS):
            if redis_at(path):
                return
            time.sleep(0.01)
        raise ServiceError(f"the embedded Redis did not come up; {self.log(REDIS)} says why")

    def _start_mlflow(self) -> bool:
        """Start MLflow's server; whether it has another address than before."""
        data = self._home / "mlflow"
        data.mkdir(parents=True, exist_ok=True)
        before = self._mlflow_port()
        port, lock = claim_port(before)
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
        store = ["--backend-store-uri", f"sqlite:///{data / 'mlflow.db'}"]
        artifacts = ["--artifacts-destination", str(data / "artifacts"), "--workers", "1"]
        with lock:
            self._start(MLFLOW, [*command, *store, *artifacts], f"http://127.0.0.1:{port}", holding=lock)
        return port != before

    def _mlflow_port(self) -> int:
        """The port that the server had before, else the usual one."""
        try:
            return int(json.loads(self._record(MLFLOW).read_text())["address"].rsplit(":", 1)[1])
        except (OSError, ValueError, KeyError):
            return _MLFLOW_PORT

    def _start(self, name: str, command: Sequence[str], address: str, holding: IO[str] | None = None) -> None:
        """Start a process in the background; it keeps `holding` open as long as it lives."""
        self.log(name).parent.mkdir(parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "HDSMLM_HOME": str(self._home),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                list(command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[holding.fileno()] if holding else [],
            )
        self._children.append(process)
        self._remember(name, process.pid, address)

    def _remember(self, name: str, pid: int, address: str) -> None:
        service = Service(name, pid, psutil.Process(pid).create_time(), address)
        record = self._record(name)
        record.parent.mkdir(parents=True, exist_ok=True)
        beside = record.with_suffix(".part")
        beside.write_text(json.dumps(service._asdict()))
        beside.replace(record)

    def _record(self, name: str) -> Path:
        return self._home / "services" / f"{name}.json"

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Let one command at a time start or stop services."""
        self._home.mkdir(parents=True, exist_ok=True)
        with (self._home / "services.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _process(service: Service) -> psutil.Process | None:
    try:
        process = psutil.Process(service.pid)
        same = abs(process.create_time() - service.started_at) < 0.01
        return process if same and runs(process) else None
    except psutil.Error:
        return None
