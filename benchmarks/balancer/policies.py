"""The balancer beside others on the same simulated machine, by workload.

    python benchmarks/balancer/policies.py [--seeds 20] [--workloads unet_grid,hostile]

For every workload and policy: the median makespan over the lower bound, and, where nobody else is on the machine, over
the schedules of an oracle and of a learner; deaths for want of memory by blame; how well memory is packed while runs
wait. All policies see the same seeds. Takes about half an hour on two cores.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
from collections import defaultdict
from itertools import product
from pathlib import Path

from orchestrator.balancer.simulator import FORESIGHT, PEERS, Result, play
from orchestrator.balancer.simulator.attempts import Ending
from orchestrator.balancer.simulator.drawing import draw
from orchestrator.balancer.simulator.files import read_fleet, read_workload
from orchestrator.balancer.simulator.learner import granted
from orchestrator.balancer.simulator.oracle import makespan_s

HERE = Path(__file__).parent
FLEETS = {"unet_grid": "h100x8", "fractional": "h100x8", "heavy_tailed": "h100x8", "hostile": "h100x8_shared"}
ORACLE, LEARNER = "oracle", "learner"
HEAD = (
    f"{'policy':<10} {'runs':>6} {'× bound':>8} {'× oracle':>9} {'× learner':>10} {'own':>6} {'foreign':>8} "
    f"{'neighbour':>10} {'given up':>9} {'memory':>7} {'compute':>8} {'packing':>8}"
)
BARS = (
    "bars: neighbour 0; own out of memory ≤ 1 per signature and ≤ 0.5 % of runs; × bound (× oracle where demands\n"
    "cannot be divided) ≤ 1.10; packing ≥ 90 % of the best feasible, where memory is short before compute is.\n"
    "The oracle knows every peak, the learner only from a run that has reached it. tried and told are ours, told for\n"
    "nothing what each run's first epoch holds, and what it needs at its peak. Runs and deaths are sums over the\n"
    "seeds, own a share of the runs, the rest medians."
)

Job = tuple[str, str, int]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--workloads", default=",".join(FLEETS))
    options = parser.parse_args()
    with multiprocessing.Pool() as pool:
        for workload in options.workloads.split(","):
            jobs = list(product([workload], policies(workload), range(options.seeds)))
            answers = dict(zip(jobs, pool.imap(simulated, jobs), strict=True))
            print(
                "\n".join([f"\n{workload} on {FLEETS[workload]}, {options.seeds} seeds", HEAD, *table(answers)]),
                flush=True,
            )
    print(f"\n{BARS}")


def policies(workload: str) -> tuple[str, ...]:
    """Whom to compare; who foresees peaks or everything foresees no foreigners."""
    foreseeing = () if workload == "hostile" else (*FORESIGHT, ORACLE, LEARNER)
    return ("ours", *PEERS, *foreseeing)


def simulated(job: Job) -> Result | float:
    """The result of a policy, or the time that the oracle or the learner needs, s."""
    workload, policy, seed = job
    folder = HERE / "workloads"
    fleet, runs = read_fleet(HERE / f"fleets/{FLEETS[workload]}.yaml"), read_workload(folder / f"{workload}.yaml")
    scenario = draw(fleet, runs, seed, folder)
    if policy in (ORACLE, LEARNER):
        return makespan_s(scenario if policy == ORACLE else granted(scenario))
    return play(scenario, policy)


def table(answers: dict[Job, Result | float]) -> list[str]:
    """One line for each policy."""
    results: dict[str, list[Result]] = defaultdict(list)
    schedules: dict[str, dict[int, float]] = defaultdict(dict)
    for (_, policy, seed), answer in answers.items():
        if isinstance(answer, Result):
            results[policy].append(answer)
        else:
            schedules[policy][seed] = answer
    bounds = {result.seed: result.bounds.bound_s for result in results["ours"]}
    return [
        *(row(policy, found, schedules) for policy, found in results.items()),
        *(
            f"{name:<10} {'':>6} {over({seed: times[seed] / bounds[seed] for seed in times}):>8}"
            for name, times in schedules.items()
        ),
    ]


def over(ratios: dict[int, float]) -> str:
    """Their median, as text."""
    return f"{statistics.median(ratios.values()):.3f}" if ratios else ""


def row(policy: str, results: list[Result], schedules: dict[str, dict[int, float]]) -> str:
    """The medians and sums of one policy."""
    runs = sum(result.runs for result in results)
    deaths = {kind: sum(result.endings.get(kind, 0) for result in results) for kind in Ending}
    oracle, learner = (
        over({r.seed: r.makespan_s / schedules[name][r.seed] for r in results if name in schedules})
        for name in (ORACLE, LEARNER)
    )
    packing = statistics.median(r.packing for r in results if r.packing is not None) if policy == "ours" else None
    own = f"{deaths[Ending.OWN_OOM] / runs:.2%}"
    return (
        f"{policy:<10} {runs:>6} {statistics.median(r.ratio for r in results):>8.3f} "
        f"{oracle:>9} {learner:>10} {own:>6} {deaths[Ending.FOREIGN_OOM]:>8} "
        f"{deaths[Ending.NEIGHBOUR_OOM]:>10} {sum(r.given_up for r in results):>9} "
        f"{statistics.median(r.memory_used for r in results):>7.1%} "
        f"{statistics.median(r.compute_used for r in results):>8.1%} "
        f"{'' if packing is None else f'{packing:.1%}':>8}"
        f"{_most_own(results) if policy == 'ours' else ''}"
    )


def _most_own(results: list[Result]) -> str:
    return f"   most own of one signature: {max(result.most_own_ooms for result in results)}"


if __name__ == "__main__":
    main()
