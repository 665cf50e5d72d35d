"""Tells a process its number on the host, by which a driver knows it, whatever namespace it lives in.

Whoever connects to the socket beside the fleet's state is told its own pid as the listener's namespace has it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

_NAME = "pids.sock"


@contextlib.contextmanager
def numbering(folder: Path) -> Iterator[None]:
    """Tell all who ask while the context lasts."""
    with socket.socket(socket.AF_UNIX) as listener, _short(folder) as short:
        listener.bind(short)
        listener.listen()
        threading.Thread(target=_tell, args=(listener,), daemon=True).start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
    (folder / _NAME).unlink()


def host_pid(folder: Path) -> int:
    """How the host numbers this process."""
    if not (folder / _NAME).exists():
        return os.getpid()
    with socket.socket(socket.AF_UNIX) as asking, _short(folder) as short:
        asking.connect(short)
        return int(asking.recv(32))


def _tell(listener: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            asking, _ = listener.accept()
            with asking:
                pid, _, _ = struct.unpack("3i", asking.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
                asking.sendall(str(pid).encode())


@contextlib.contextmanager
def _short(folder: Path) -> Iterator[str]:
    """A path that fits into the 108 characters of a socket's address."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{handle}/{_NAME}"
    finally:
        os.close(handle)
