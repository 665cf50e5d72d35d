"""The secrets of an installation in containers: made once, at its first start, and never a default.

Two users of Redis: whoever may do everything, and workers, which read the ledger, write their own words and RQ's keys,
and administer nothing.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

from worker.spec import (
    MLFLOW_URL,
    control_key,
    heartbeat_key,
    pace_key,
    report_stream,
    run_key,
    sweep_key,
    taken_key,
)

_OWNER_ONLY, _EVERYBODY = 0o600, 0o644
_BYTES = 32
_READS = (run_key("*"), sweep_key("*"), control_key("*", "*"), MLFLOW_URL)
_WRITES = (report_stream("*"), heartbeat_key("*"), taken_key("*", "*"), pace_key("*"))
_COMMANDS = "+@read +@write +@transaction +@connection +@pubsub +@scripting -@dangerous +info"


def make_secrets(control: Path, workers: Path, database: Path) -> list[str]:
    """Make what is not there yet, for who sees each folder; gives the paths of what was made.

    Raises:
        OSError: a folder cannot be written.
    """
    wanted = {
        control / "redis_password": _OWNER_ONLY,
        control / "api_token": _OWNER_ONLY,
        workers / "redis_password": _OWNER_ONLY,
        database / "password": _EVERYBODY,
    }
    made = [path for path in wanted if not path.exists()]
    for path in made:
        _write(path, secrets.token_urlsafe(_BYTES), wanted[path])
    _write(control / "redis.conf", _redis_conf(control, workers), _EVERYBODY)
    return [str(path) for path in made]


def _redis_conf(control: Path, workers: Path) -> str:
    """Redis knows the passwords by their digests only."""
    everything, limited = _digest(control / "redis_password"), _digest(workers / "redis_password")
    reads = " ".join(f"%R~{name}" for name in _READS)
    writes = " ".join(f"~{name}" for name in _WRITES)
    return f"""\
dir /data
appendonly yes
appendfsync always
save ""
maxmemory-policy noeviction
user default on #{everything} ~* &* +@all
user worker on #{limited} resetkeys {reads} {writes} ~rq:* resetchannels &rq:* {_COMMANDS}
"""


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _write(path: Path, text: str, mode: int) -> None:
    beside = path.with_suffix(".part")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
    beside.chmod(mode)
    beside.replace(path)
