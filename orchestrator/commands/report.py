"""The report of a sweep: its leaderboard and whether it is complete, for people and for scripts."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.commands.standings import Standing, completeness, standings
from orchestrator.ledger import Ledger
from orchestrator.records import Run, Sweep
from orchestrator.states import RunState

_BESIDE = ("val_f1", "test_f1", "test_f1_shuffled", "val_loss")
"""Metrics shown beside the one that ranks."""


def report_json(ledger: Ledger, name: str) -> dict[str, Any]:
    """The report as one object; `complete` is true when every run has one accepted result."""
    sweep, runs = ledger.sweep(name), ledger.runs(name)
    whole = completeness(runs)
    return {
        "sweep": name,
        "metric": sweep.metric.model_dump(mode="json"),
        "runs": whole.runs,
        "new": 0,
        **{str(state): count for state, count in ledger.counts(name).items()},
        "accepted": whole.accepted,
        "attempts": whole.attempts,
        "complete": whole.accepted == whole.runs,
        "leaderboard": [_row(row) for row in standings(runs, sweep.metric, sweep.axes)],
        "failures": [_failure(run) for run in runs if run.state in (RunState.FAILED, RunState.INFEASIBLE)],
    }


def render_report(ledger: Ledger, name: str, *, top: int = 20) -> RenderableType:
    """The report for a terminal."""
    sweep, runs = ledger.sweep(name), ledger.runs(name)
    rows = standings(runs, sweep.metric, sweep.axes)
    parts: list[RenderableType] = [_table(sweep, rows[:top])]
    if len(rows) > top:
        parts.append(Text(f"… and {len(rows) - top} more cells; --json gives all", style="dim"))
    parts += [Text(f"{run.spec.slug}  {run.state}: {run.message}", style="red") for run in _unhappy(runs)]
    parts.append(Text(f"{completeness(runs)}.", style="bold"))
    return Group(*parts)


def _table(sweep: Sweep, rows: Sequence[Standing]) -> Table:
    table = Table(
        title=f"Leaderboard of {sweep.name} by {sweep.metric.name} ({sweep.metric.goal})", title_justify="left"
    )
    table.add_column("#", justify="right")
    for axis in sweep.axes:
        table.add_column(axis)
    table.add_column(f"{sweep.metric.name}, mean ± sd", justify="right", style="bold")
    beside = [name for name in _BESIDE if name != sweep.metric.name and any(name in row.metrics for row in rows)]
    for name in (*beside, "seeds"):
        table.add_column(name, justify="right")
    for row in rows:
        values = [str(row.axes[axis]) for axis in sweep.axes]
        others = [f"{row.metrics[name]:.3f}" if name in row.metrics else "–" for name in beside]
        table.add_row(str(row.rank), *values, f"{row.mean:.4f} ± {row.spread:.4f}", *others, str(row.seeds))
    return table


def _row(row: Standing) -> dict[str, Any]:
    return row._asdict() | {"mean": None if math.isnan(row.mean) else row.mean}


def _unhappy(runs: Sequence[Run]) -> Iterator[Run]:
    return (run for run in runs if run.state in (RunState.FAILED, RunState.INFEASIBLE))


def _failure(run: Run) -> dict[str, Any]:
    return {"run": run.run_id, "slug": run.spec.slug, "state": run.state, "message": run.message}
