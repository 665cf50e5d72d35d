"""What must be given to the runs of a workload by one who learns a peak only from a run that has reached it.

Before the first run of a signature nothing is known but the prediction, and by how much predictions err (log-normal,
`prediction_sigma`). Its cap holds to its end, since allocators and late peaks allow nothing else; where the cap is too
low the run dies, and so may one run in 200 at most. Later runs are given their peaks. This is the least that can be
given: the first run is the shortest, and the risk is spread so that Σ cap · duration is smallest,

    min Σ w · exp(σ · z)  with  Σ Q(z) = runs / 200   ⇒   z = √(σ² + 2 · (c − ln w)) − σ

w = predicted · duration, Q the upper tail of the normal distribution, c the same for all (Lagrange).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace
from statistics import NormalDist

from orchestrator.balancer.simulator.scenario import Run, Scenario

_MAY_DIE = 1 / 200
_NORMAL = NormalDist()
_HALVINGS = 60


def granted(scenario: Scenario) -> Scenario:
    """The scenario with runs that need what they must be given."""
    first: dict[str, Run] = {}
    for run in sorted(scenario.runs, key=lambda one: one.duration_s):
        first.setdefault(run.signature, run)
    sigma = scenario.prediction_sigma
    margins = _margins(first.values(), sigma, len(scenario.runs) * _MAY_DIE) if sigma else {}
    caps = {name: round(first[name].predicted_mib * margin) for name, margin in margins.items()}
    shortest = {run.run_id for run in first.values()}
    runs = (
        replace(run, peak_mib=caps[run.signature]) if run.run_id in shortest and caps else run for run in scenario.runs
    )
    return replace(scenario, runs=tuple(runs))


def _margins(runs: Iterable[Run], sigma: float, deaths: float) -> dict[str, float]:
    """By signature, what to multiply predictions by so that so many deaths are expected."""
    weights = {run.signature: math.log(run.predicted_mib * run.duration_s) for run in runs}
    low, high = min(weights.values()), max(weights.values()) + 50
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        expected = sum(1 - _NORMAL.cdf(_deviations(middle - weight, sigma)) for weight in weights.values())
        low, high = (middle, high) if expected > deaths else (low, middle)
    return {name: math.exp(sigma * _deviations(high - weight, sigma)) for name, weight in weights.items()}


def _deviations(above: float, sigma: float) -> float:
    return math.sqrt(sigma**2 + 2 * max(0.0, above)) - sigma
