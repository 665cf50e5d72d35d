"""Reads one string from Redis in a few milliseconds.

The client library takes longer to import than `balancer status` may take in all; one GET over RESP2 is ten lines.
Everything that writes, or reads more than one value, goes through `redis_door`.
"""

from __future__ import annotations

import socket
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from orchestrator.addresses import without_password
from orchestrator.errors import ServiceError
from orchestrator.settings import starter


def quick_get(url: str, key: str, *, timeout_s: float = 2.0) -> str | None:
    """The value of `key` at `url` (redis:// or unix://), or None where there is none.

    Raises:
        ServiceError: nothing answers there, or it refuses.
    """
    parts = urlsplit(url)
    commands = [["GET", key]]
    if database := parts.path.strip("/") if parts.scheme == "redis" else "":
        commands.insert(0, ["SELECT", database])
    if parts.password:
        commands.insert(0, ["AUTH", *([parts.username] if parts.username else []), unquote(parts.password)])
    try:
        with _open(url, timeout_s) as connection, connection.makefile("rb") as answers:
            connection.sendall(b"".join(_encode(command) for command in commands))
            return [_decode(answers) for _ in commands][-1]
    except OSError as error:
        shown = without_password(url)
        raise ServiceError(f"Redis does not answer at {shown} ({error}); start it with {starter()}") from error


def _open(url: str, timeout_s: float) -> socket.socket:
    parts = urlsplit(url)
    if parts.scheme == "redis":
        return socket.create_connection((parts.hostname or "localhost", parts.port or 6379), timeout_s)
    if parts.scheme != "unix":
        raise ServiceError(f"cannot read {parts.scheme}:// addresses quickly; use redis:// or unix://")
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(timeout_s)
    try:
        connection.connect(unquote(parts.path))
    except OSError:
        connection.close()
        raise
    return connection


def _encode(command: list[str]) -> bytes:
    parts = [part.encode() for part in command]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def _decode(answers: BinaryIO) -> str | None:
    line = answers.readline().rstrip().decode()
    if line.startswith("-") or not line:
        raise ServiceError(f"Redis refuses: {line[1:] or 'it closed the connection'}")
    if not line.startswith("$"):
        return line[1:]
    length = int(line[1:])
    return None if length < 0 else answers.read(length + 2)[:-2].decode()
