"""Where Redis and MLflow are: as configured, else the embedded ones under the home folder."""

from __future__ import annotations

import hashlib
import json
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.errors import ServiceError
from orchestrator.settings import Settings

_LONGEST_SOCKET_PATH = 100
"""Unix sockets have about 108 characters for their path."""


def redis_socket(home: Path) -> Path:
    """The embedded Redis's private socket; a deep home gets one in the folder for temporary files."""
    socket = home / "redis" / "redis.sock"
    if len(str(socket)) <= _LONGEST_SOCKET_PATH:
        return socket
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"hdsmlm-{digest}" / "redis.sock"


def redis_url(settings: Settings) -> str:
    """Address of the ledger's Redis."""
    return settings.redis_url or f"unix://{redis_socket(settings.home)}"


def without_password(url: str) -> str:
    """The address as it may be shown."""
    parts = urlsplit(url)
    return url if parts.password is None else url.replace(f":{parts.password}@", ":…@", 1)


def mlflow_url(settings: Settings) -> str:
    """Address of the MLflow server.

    Raises:
        ServiceError: none is configured and no embedded one was ever started.
    """
    if settings.mlflow_url:
        return settings.mlflow_url
    record = settings.home / "services" / "mlflow.json"
    try:
        return str(json.loads(record.read_text())["address"])
    except (OSError, ValueError, KeyError) as error:
        raise ServiceError(f"no MLflow server is known in {settings.home}; `orchestrator up` starts one") from error
