"""What the finished runs of a sweep say: cells ranked by the sweep's metric, seeds averaged. Pure."""

from __future__ import annotations

import json
import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from model.config import SEED_PATH, flatten
from orchestrator.records import Run
from orchestrator.states import RunState
from worker.spec import Goal, Metric


class Standing(NamedTuple):
    """One cell."""

    rank: int
    axes: Mapping[str, Any]
    mean: float
    """Of the metric over the finished seeds; not a number where no run reported it."""
    spread: float
    """Standard deviation over seeds; 0 for one seed."""
    seeds: int
    metrics: Mapping[str, float]
    """Every metric, averaged over seeds."""
    runs: tuple[str, ...]


class Completeness(NamedTuple):
    """Whether every run of the sweep has its result."""

    runs: int
    accepted: int
    """Runs with exactly one accepted result."""
    attempts: int

    def __str__(self) -> str:
        retried = self.attempts - self.accepted
        more = f", {retried} further attempts were given up" if retried > 0 and self.accepted == self.runs else ""
        return f"{self.accepted} of {self.runs} runs have one accepted result{more}"


def standings(runs: Iterable[Run], metric: Metric, axes: Sequence[str]) -> tuple[Standing, ...]:
    """The cells that have a finished run, the best first, told apart by the values of `axes`.

    Runs are of one cell where their configurations differ in the seed alone, whenever they were submitted.
    """
    cells: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.state is RunState.FINISHED:
            cells[_cell(run)].append(run)
    unranked = sorted((_standing(cell, metric, axes) for cell in cells.values()), key=lambda row: _badness(row, metric))
    return tuple(row._replace(rank=rank) for rank, row in enumerate(unranked, start=1))


def completeness(runs: Iterable[Run]) -> Completeness:
    """How many runs have their one accepted result."""
    known = list(runs)
    accepted = [run for run in known if run.state is RunState.FINISHED and run.accepted_token]
    return Completeness(len(known), len(accepted), sum(run.attempts for run in known))


def best(runs: Iterable[Run], metric: Metric) -> Run | None:
    """The finished run with the best value."""
    scored = [run for run in runs if run.state is RunState.FINISHED and metric.name in run.metrics]
    sign = -1 if metric.goal is Goal.MAXIMIZE else 1
    return min(scored, key=lambda run: sign * run.metrics[metric.name], default=None)


def champion(runs: Iterable[Run], ranked: Sequence[Standing], metric: Metric) -> Run | None:
    """Of the cell that ranks first, the accepted run with the best value; None where MLflow holds none."""
    first = ranked[0].runs if ranked else ()
    return best((run for run in runs if run.run_id in first and run.accepted_token and run.mlflow_run_id), metric)


def told_best(run: Run, metric: Metric) -> dict[str, Any]:
    """A run that is the best of some, as commands tell it."""
    value = run.metrics[metric.name]
    return {"run": run.run_id, "slug": run.spec.slug, "value": value, "mlflow_run_id": run.mlflow_run_id}


def _cell(run: Run) -> str:
    return json.dumps(flatten(run.spec.config) | {SEED_PATH: None}, sort_keys=True)


def _standing(runs: list[Run], metric: Metric, axes: Sequence[str]) -> Standing:
    fields = flatten(runs[0].spec.config)
    values = [run.metrics[metric.name] for run in runs if metric.name in run.metrics]
    names = sorted({name for run in runs for name in run.metrics})
    return Standing(
        rank=0,
        axes={axis: fields.get(axis) for axis in axes},
        mean=statistics.fmean(values) if values else math.nan,
        spread=statistics.stdev(values) if len(values) > 1 else 0.0,
        seeds=len(runs),
        metrics={name: statistics.fmean(r.metrics[name] for r in runs if name in r.metrics) for name in names},
        runs=tuple(run.run_id for run in runs),
    )


def _badness(row: Standing, metric: Metric) -> float:
    if math.isnan(row.mean):
        return math.inf
    return -row.mean if metric.goal is Goal.MAXIMIZE else row.mean
