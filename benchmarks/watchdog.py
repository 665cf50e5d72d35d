"""What watching the resident memory of a run costs its supervisor.

python benchmarks/watchdog.py
"""

from __future__ import annotations

import os
import signal
import time

from worker.resident import Watchdog

_WATCHED_S = 10
_BAR = 0.01
_NO_CAP_MIB = 1_000_000


def main() -> None:
    child = os.fork()
    if child == 0:
        signal.pause()
    watchdog, began = Watchdog(), time.process_time()
    watchdog.enclose(child, _NO_CAP_MIB)
    time.sleep(_WATCHED_S)
    watchdog.release()
    share = (time.process_time() - began) / _WATCHED_S
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(f"share of a core while a process is watched for {_WATCHED_S} s: {share:.2%} (bar: {_BAR:.0%})")


if __name__ == "__main__":
    main()
