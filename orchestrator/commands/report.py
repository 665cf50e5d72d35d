"""The report of a sweep: its leaderboard and whether it is complete, for people and for scripts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.commands.standings import Completeness, Standing, champion, completeness, standings, told_best
from orchestrator.states import RunState

if TYPE_CHECKING:
    from orchestrator.ledger import Ledger
    from orchestrator.records import Run

_BESIDE = ("val_f1", "test_f1", "test_f1_shuffled", "val_loss")
"""Metrics shown beside the one that ranks."""
_SHOWN = 20
"""Cells."""


def report_json(ledger: Ledger, name: str) -> dict[str, Any]:
    """The report as one object; `complete` is true when every run has one accepted result."""
    sweep, runs = ledger.sweep(name), ledger.runs(name)
    whole, ranked = completeness(runs), standings(runs, sweep.metric, sweep.axes)
    top = champion(runs, ranked, sweep.metric)
    return {
        "sweep": name,
        "metric": sweep.metric.model_dump(mode="json"),
        "axes": sweep.axes,
        "runs": whole.runs,
        "new": 0,
        **{str(state): count for state, count in ledger.counts(name).items()},
        "accepted": whole.accepted,
        "attempts": whole.attempts,
        "complete": whole.accepted == whole.runs,
        "leaderboard": [_row(row) for row in ranked],
        "best": told_best(top, sweep.metric) if top else None,
        "failures": [_failure(run) for run in runs if run.state in (RunState.FAILED, RunState.INFEASIBLE)],
    }


def render_report(seen: Mapping[str, Any]) -> RenderableType:
    """The report for a terminal."""
    rows = seen["leaderboard"]
    parts: list[RenderableType] = [_table(seen, rows[:_SHOWN])]
    if len(rows) > _SHOWN:
        parts.append(Text(f"… and {len(rows) - _SHOWN} more cells; --json gives all", style="dim"))
    if best := seen.get("best"):
        parts.append(_best(best, seen["metric"]["name"]))
    parts += [Text(f"{run['slug']}  {run['state']}: {run['message']}", style="red") for run in seen["failures"]]
    parts.append(Text(f"{Completeness(seen['runs'], seen['accepted'], seen['attempts'])}.", style="bold"))
    return Group(*parts)


def _table(seen: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> Table:
    metric = seen["metric"]["name"]
    table = Table(title=f"Leaderboard of {seen['sweep']} by {metric} ({seen['metric']['goal']})", title_justify="left")
    table.add_column("#", justify="right")
    for axis in seen["axes"]:
        table.add_column(axis)
    table.add_column(f"{metric}, mean ± sd", justify="right", style="bold")
    beside = [name for name in _BESIDE if name != metric and any(name in row["metrics"] for row in rows)]
    for name in (*beside, "seeds"):
        table.add_column(name, justify="right")
    for row in rows:
        values = [str(row["axes"][axis]) for axis in seen["axes"]]
        others = [_figure(row["metrics"].get(name), 3) for name in beside]
        mean = f"{_figure(row['mean'], 4)} ± {_figure(row['spread'], 4)}"
        table.add_row(str(row["rank"]), *values, mean, *others, str(row["seeds"]))
    return table


def _best(run: Mapping[str, Any], metric: str) -> Text:
    """The run that would be promoted, by the name that `model predict --model` takes."""
    told = f"{run['slug']}, {metric} {_figure(run['value'], 4)}, runs:/{run['mlflow_run_id']}"
    return Text(f"Best run of the best cell: {told}")


def _figure(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _row(row: Standing) -> dict[str, Any]:
    return row._asdict() | {"mean": None if math.isnan(row.mean) else row.mean}


def _failure(run: Run) -> dict[str, Any]:
    return {"run": run.run_id, "slug": run.spec.slug, "state": run.state, "message": run.message}
