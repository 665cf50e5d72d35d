"""How long one decision takes at 16 GPUs and 10,000 queued runs.

    python benchmarks/balancer/decision.py

Every observation has 16 devices with four to seven workers each, idle ones among them, and differs from the others;
the decisions are those of the daemon's policy, in this process.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator

from orchestrator.balancer.decision.observation import Demand, Device, Observation, SweepView, WorkerView
from orchestrator.balancer.decision.policy import decide
from orchestrator.records import WorkerState

MODEL = "NVIDIA H100 80GB HBM3"
DEVICES, QUEUED, DECISIONS = 16, 10_000, 200
GROUPS = (50, 500)
HEADS = 16
OVERHEAD_MIB = 1536


def main() -> None:
    print(f"{'groups':>7} {'median ms':>10} {'99 % ms':>8} {'worst ms':>9} {'actions':>8}   of {DECISIONS} decisions")
    for groups in GROUPS:
        observations = [observation(groups, random.Random(seed)) for seed in range(DECISIONS)]
        timed = [_timed_ms(one) for one in observations]
        times = sorted(ms for ms, _ in timed)
        actions = statistics.median(count for _, count in timed)
        print(
            f"{groups:>7} {statistics.median(times):>10.2f} {times[int(0.99 * len(times))]:>8.2f} {times[-1]:>9.2f} "
            f"{actions:>8.0f}"
        )
    print("\nbar: < 5 ms")


def observation(groups: int, chance: random.Random) -> Observation:
    """A busy fleet with some places free."""
    signatures = [f"signature-{number}" for number in range(groups)]
    peaks = {name: round(chance.uniform(4096, 40_960)) for name in signatures}
    workers = tuple(worker for index in range(DEVICES) for worker in _workers(index, peaks, chance))
    return Observation(
        devices=tuple(_device(index, workers) for index in range(DEVICES)),
        workers=workers,
        sweeps=(SweepView("sweep"),),
        demands=tuple(_demand(number, name, peaks[name], groups) for number, name in enumerate(signatures)),
        loads={(MODEL, name): chance.uniform(0.1, 0.8) for name in signatures if chance.random() < 0.8},
    )


def _device(index: int, workers: tuple[WorkerView, ...]) -> Device:
    held = sum(worker.observed_mib for worker in workers if worker.device_id == f"GPU-{index}")
    return Device(f"GPU-{index}", 81_079, 81_079 - held, slots=8, model=MODEL, overhead_mib=OVERHEAD_MIB)


def _workers(index: int, peaks: dict[str, int], chance: random.Random) -> Iterator[WorkerView]:
    left_mib = 80_000
    for number in range(chance.randint(4, 7)):
        signature = chance.choice(list(peaks))
        lease_mib = peaks[signature] + OVERHEAD_MIB
        if lease_mib > left_mib:
            continue
        left_mib -= lease_mib
        idle = chance.random() < 0.15
        yield WorkerView(
            f"w{index}-{number}",
            "sweep",
            f"GPU-{index}",
            lease_mib,
            0 if idle else round(0.9 * lease_mib),
            WorkerState.IDLE if idle else WorkerState.BUSY,
            run_id="" if idle else f"run-{index}-{number}",
            signature=signature,
            ends_in_s=chance.uniform(10, 3000),
        )


def _demand(number: int, signature: str, peak_mib: int, groups: int) -> Demand:
    count = QUEUED // groups
    return Demand(
        "sweep",
        tuple(f"{signature}-{index}" for index in range(min(count, HEADS))),
        {MODEL: peak_mib},
        count=count,
        signature=signature,
        rank=number % 3,
        expected_s=600.0 + 10 * (number % 200),
        waited_s=60.0,
    )


def _timed_ms(one: Observation) -> tuple[float, int]:
    began = time.perf_counter()
    actions = decide(one)
    return (time.perf_counter() - began) * 1000, len(actions)


if __name__ == "__main__":
    main()
