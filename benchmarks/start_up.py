"""How long commands take to answer, beside what they are measured against: an import of redis-py.

    python benchmarks/start_up.py

Starts an embedded Redis of its own, and stops it; prints the median of ten calls each.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from orchestrator.addresses import redis_url
from orchestrator.redis_door import connect
from orchestrator.services import REDIS, Services
from orchestrator.settings import Settings

BIN = Path(sys.executable).parent
CALLS = 10
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "python -c 'import redis'": [sys.executable, "-c", "import redis"],
    "orchestrator --help": [str(BIN / "orchestrator"), "--help"],
    "balancer --help": [str(BIN / "balancer"), "--help"],
    "balancer status": [str(BIN / "balancer"), "status"],
    "orchestrator status": [str(BIN / "orchestrator"), "status"],
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder))
        services = Services(settings)
        services._start_redis()
        seen = {"at": time.time(), "devices": [], "workers": [], "sweeps": []}
        connect(redis_url(settings)).set("hdsmlm:balancer", json.dumps(seen))
        environment = {**os.environ, "HDSMLM_HOME": folder}
        print(f"{'command':<28} {'median s':>9} {'fastest s':>10}   of {CALLS} calls")
        for name, command in COMMANDS.items():
            times = [_time(command, environment) for _ in range(CALLS)]
            print(f"{name:<28} {statistics.median(times):>9.3f} {min(times):>10.3f}")
        services.stop(REDIS)


def _time(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
