"""What a launcher tells a worker, through the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from worker.redis_address import redis_address
from worker.spec import CPU_DEVICE


@dataclass(frozen=True)
class WorkerSettings:
    """Where things are for one worker."""

    worker_id: str
    redis_url: str
    home: Path
    """Folder for checkpoints and logs; the same for every worker that may take over a run."""
    device: str = CPU_DEVICE
    """`cpu`, or the UUID of a GPU or MIG instance."""
    cgroup: Path | None = None
    """A control group that was delegated to workers; none: the one that systemd delegated, if any."""

    @property
    def checkpoints(self) -> Path:
        """Checkpoints, by run id and token."""
        return self.home / "checkpoints"

    def log(self, run_id: str, token: str) -> Path:
        """What an attempt prints."""
        return self.home / "logs" / "runs" / run_id / f"{token}.log"


def from_environment(worker_id: str, environment: Mapping[str, str] = os.environ) -> WorkerSettings:
    """Read the settings.

    Raises:
        ValueError: a variable is missing, or the password's file; only a launcher starts workers.
    """
    redis_url = redis_address(environment)
    if not redis_url:
        raise ValueError("HDSMLM_REDIS_URL must be set; workers are started by the balancer (`balancer run`)")
    return WorkerSettings(
        worker_id=worker_id,
        redis_url=redis_url,
        home=Path(environment.get("HDSMLM_HOME", ".hdsmlm")).absolute(),
        device=environment.get("HDSMLM_DEVICE") or CPU_DEVICE,
        cgroup=Path(environment["HDSMLM_CGROUP"]) if environment.get("HDSMLM_CGROUP") else None,
    )
