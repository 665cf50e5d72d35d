"""Whether a run of ours ever dies for want of memory because of another one of ours, and what each safeguard is worth.

    python benchmarks/balancer/safety.py [--hours 10000] [--ablation-hours 500]

Simulates so many GPU-hours of `stress.yaml` and `hostile.yaml` on a host whose driver tells half of the truth: foreign
processes on every device, runs that crash while they take their memory, late ramps, memory that stays after a death.
Then the same with one safeguard taken away at a time. Takes about a quarter of an hour on two cores.
"""

from __future__ import annotations

import argparse
import itertools
import multiprocessing
from collections import Counter
from multiprocessing.pool import Pool
from pathlib import Path

from orchestrator.balancer.simulator import ABLATIONS, Result, play
from orchestrator.balancer.simulator.attempts import Ending
from orchestrator.balancer.simulator.drawing import draw
from orchestrator.balancer.simulator.files import read_fleet, read_workload

HERE = Path(__file__).parent
WORKLOADS = ("stress", "hostile")
FLEET = "h100x8_shared"
BATCH = 8
BARS = "bars: neighbour 0 with everything on, and more than 0 without any one safeguard"

Job = tuple[str, str, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=10_000)
    parser.add_argument("--ablation-hours", type=float, default=500)
    options = parser.parse_args()
    print(f"{'':<20} {'GPU-hours':>10} {'runs':>7} {'own':>6} {'foreign':>8} {'neighbour':>10}   seeds with neighbour")
    with multiprocessing.Pool() as pool:
        for policy in ("ours", *ABLATIONS):
            hours = options.hours if policy == "ours" else options.ablation_hours
            print(line(policy, enough(pool, policy, hours)), flush=True)
    print(f"\n{BARS}")


def enough(pool: Pool, policy: str, hours: float) -> list[tuple[Job, Result]]:
    """Results of workloads by turns, with ever new seeds, until they make so many GPU-hours together."""
    jobs = ((policy, workload, seed) for seed in itertools.count() for workload in WORKLOADS)
    found: list[tuple[Job, Result]] = []
    while sum(result.gpu_hours for _, result in found) < hours:
        found += pool.map(simulated, itertools.islice(jobs, BATCH), chunksize=1)
    return found


def simulated(job: Job) -> tuple[Job, Result]:
    policy, workload, seed = job
    runs = read_workload(HERE / f"workloads/{workload}.yaml")
    return job, play(draw(read_fleet(HERE / f"fleets/{FLEET}.yaml"), runs, seed), policy, packed=False)


def line(policy: str, found: list[tuple[Job, Result]]) -> str:
    endings: Counter[Ending] = Counter()
    for _, result in found:
        endings.update(result.endings)
    guilty = [f"{job[1]} {job[2]}" for job, result in found if result.endings.get(Ending.NEIGHBOUR_OOM)]
    return (
        f"{policy if policy != 'ours' else 'everything on':<20} {sum(r.gpu_hours for _, r in found):>10,.0f} "
        f"{sum(r.runs for _, r in found):>7,} {endings[Ending.OWN_OOM]:>6} {endings[Ending.FOREIGN_OOM]:>8} "
        f"{endings[Ending.NEIGHBOUR_OOM]:>10}   {', '.join(guilty[:4])}{' …' if len(guilty) > 4 else ''}"
    )


if __name__ == "__main__":
    main()
