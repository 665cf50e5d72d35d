"""How long a malformed search space takes to be refused; the bar is 2 s.

    python benchmarks/refusals.py

Submits every file of tests/orchestrator/search_space/malformed, one that is not UTF-8 and one of 10 MB, to an embedded
Redis of its own; prints the slowest ones, and how many sweeps were queued.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from orchestrator.addresses import redis_url
from orchestrator.ledger import Ledger
from orchestrator.redis_door import connect
from orchestrator.services import REDIS, Services
from orchestrator.settings import Settings

ROOT = Path(__file__).parents[1]
COMMAND = Path(sys.executable).parent / "orchestrator"
REFUSED, BAR_S, SHOWN = 2, 2.0, 5


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="hdsmlm-") as folder:
        settings = Settings(home=Path(folder))
        services = Services(settings)
        services._start_redis()
        try:
            seen = {path.name: refusal_s(path, settings.home) for path in (*malformed(), *made(Path(folder)))}
            queued = len(Ledger(connect(redis_url(settings))).sweeps())
        finally:
            services.stop(REDIS)
    slowest = sorted(seen, key=lambda name: -seen[name])
    for name in slowest[:SHOWN]:
        print(f"{seen[name]:6.2f} s  {name}")
    print(f"{statistics.median(seen.values()):6.2f} s  median of {len(seen)} files, each refused; bar {BAR_S} s")
    print(f"{queued:6}    sweeps queued")


def malformed() -> list[Path]:
    """Files that the tests explain."""
    return sorted((ROOT / "tests/orchestrator/search_space/malformed").glob("*.yaml"))


def made(folder: Path) -> list[Path]:
    """Files that are better made than kept."""
    sound = (ROOT / "search_spaces/quickstart.yaml").read_text()
    contents = {"not_utf_8.yaml": sound.encode("utf-16"), "ten_megabytes.yaml": f"{sound}#{'x' * 10**7}\n".encode()}
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in contents]


def refusal_s(path: Path, home: Path) -> float:
    """How long `orchestrator submit` takes to refuse the file, s."""
    began = time.perf_counter()
    done = subprocess.run(
        [COMMAND, "submit", path], env={**os.environ, "HDSMLM_HOME": str(home)}, capture_output=True, check=False
    )
    assert done.returncode == REFUSED, (path, done)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
