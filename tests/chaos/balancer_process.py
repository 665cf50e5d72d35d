"""`balancer run` as it is, but for its workers, which are ghosts, and its pace.

    python -m tests.chaos.balancer_process

Settings are read from the environment as always; GHOST_PACE=fast asks the driver ten times a second,
GHOST_PROFILE names a file for a profile of the main thread, and GHOST_COMMAND stands before the command of a ghost.
"""

from __future__ import annotations

import cProfile
import os
import sys
from contextlib import nullcontext
from functools import partial

from orchestrator.addresses import redis_url
from orchestrator.balancer import reports, service
from orchestrator.balancer.launchers import process
from orchestrator.balancer.probes.nvml import NvmlProbe
from orchestrator.balancer.readings import DeviceProbe
from orchestrator.errors import OrchestratorError
from orchestrator.settings import from_environment
from tests.chaos.machine import GHOST, PACE

NO_MLFLOW = "http://127.0.0.1:9"
"""Nothing answers there; what is to be settled waits."""


def main() -> int:
    """Serve; an error is said in one line, as the command does."""
    ghost = [*os.environ.get("GHOST_COMMAND", "").split(), *GHOST]
    setattr(process, "ProcessLauncher", partial(process.ProcessLauncher, command=ghost))  # noqa: B010
    if os.environ.get("GHOST_PACE") == "fast":
        setattr(service, "probe_for", _fast_probe)  # noqa: B010
        reports._FIRST_BACKOFF_S = 0.05
    settings = from_environment()
    profile = cProfile.Profile()
    try:
        with profile if os.environ.get("GHOST_PROFILE") else nullcontext():
            service.serve(settings, redis_url(settings), NO_MLFLOW)
    except OrchestratorError as error:
        print(error, file=sys.stderr)
        return 1
    if path := os.environ.get("GHOST_PROFILE"):
        profile.dump_stats(path)
    return 0


def _fast_probe(*_: object, **__: object) -> DeviceProbe:
    probe = NvmlProbe(PACE)
    probe.wait_for_polls(1, 10.0)
    return probe


if __name__ == "__main__":
    sys.exit(main())
