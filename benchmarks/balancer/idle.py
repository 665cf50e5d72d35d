"""What the balancer costs while nothing is to be decided: its share of a core, and that of its child at the driver.

    python -m benchmarks.balancer.idle [--seconds 60] [--profile FILE] [--first]

The balancer runs as it is, in a process of its own, over an embedded Redis of its own and a stand-in driver: with
nothing queued; then with sixteen full GPUs, 64 workers and 10,000 runs queued, which say nothing; then with the same
workers, each of which tells its pace every two seconds, as real ones do.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from benchmarks.balancer.hand_over import balancer, go_first, installation
from tests.chaos.machine import Machine
from tests.chaos.plans import Plan

GPUS, WORKERS, QUEUED = 16, 64, 10_000
PEAK_MIB = 11_000
"""Four of such runs find place on a GPU although the first ones are given more, as nothing is known of them yet."""
FOR_EVER_S = 1e6
TELLS_EVERY_S = 2.0
BAR_PERCENT = 1.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--profile", type=Path, help="folder for profiles of the balancer, one a line")
    parser.add_argument("--first", action="store_true", help="as in hand_over.py")
    asked = parser.parse_args()
    if asked.first:
        go_first()
    print(
        f"{'% of a core over ' + format(asked.seconds, 'g') + ' s':<52}{'daemon':>8}{'child':>8}   bar (daemon)",
        flush=True,
    )
    for name, prepare in SITUATIONS.items():
        with installation(GPUS) as machine:
            said = f"{asked.profile}/{name.replace(' ', '-')}.prof" if asked.profile else ""
            with balancer(machine, GHOST_PROFILE=said, HDSMLM_GPU_SLOTS=str(WORKERS // GPUS)) as process:
                prepare(machine)
                daemon, child = measured(process, asked.seconds)
            verdict = "met" if daemon < BAR_PERCENT else "MISSED"
            print(f"{name:<52}{daemon:>8.2f}{child:>8.2f}   {BAR_PERCENT:g}: {verdict}", flush=True)


def nothing(machine: Machine) -> None:
    machine.eventually(lambda: machine.snapshots.seen)


def full(machine: Machine, tells_every_s: float = 0.0) -> None:
    """Fill every GPU with runs that do not end, and queue many behind them."""
    plan = Plan(PEAK_MIB, seconds=FOR_EVER_S, tells_every_s=tells_every_s, look_every_s=1.0)
    names = [f"r{number:05}" for number in range(QUEUED + WORKERS)]
    machine.submit(*names, mib=PEAK_MIB, plan=plan)
    machine.eventually(lambda: len(machine.running()) == WORKERS, 300.0)


def full_and_telling(machine: Machine) -> None:
    full(machine, TELLS_EVERY_S)


SITUATIONS: dict[str, Callable[[Machine], None]] = {
    "nothing queued": nothing,
    "16 GPUs full, 64 workers, 10,000 queued": full,
    "the same, each worker tells its pace every 2 s": full_and_telling,
}


def measured(process: subprocess.Popen[bytes], seconds: float) -> tuple[float, float]:
    """Shares of a core, %: of the daemon, and of the child that asks the driver."""
    daemon = psutil.Process(process.pid)
    (child,) = (one for one in daemon.children() if any("nvml_child" in word for word in one.cmdline()))
    time.sleep(min(5.0, seconds))
    before, began = (_cpu_s(daemon), _cpu_s(child)), time.monotonic()
    time.sleep(seconds)
    took_s = time.monotonic() - began
    after = (_cpu_s(daemon), _cpu_s(child))
    daemon_percent, child_percent = (100 * (end - begin) / took_s for begin, end in zip(before, after, strict=True))
    return daemon_percent, child_percent


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


if __name__ == "__main__":
    main()
