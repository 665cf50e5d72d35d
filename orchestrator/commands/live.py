"""What `orchestrator run` shows while a sweep goes on, on a terminal and elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.commands.standings import best
from orchestrator.ledger import Ledger
from orchestrator.records import Run, Sweep
from orchestrator.states import UNDER_WAY, RunState
from worker.spec import MLFLOW_URL

_STYLES = {
    RunState.FINISHED: "green",
    RunState.RUNNING: "cyan",
    RunState.FAILED: "red",
    RunState.INFEASIBLE: "magenta",
}


class View(NamedTuple):
    """One look at a sweep."""

    sweep: Sweep
    counts: Mapping[RunState, int]
    at_work: tuple[Run, ...]
    finished: tuple[Run, ...]
    mlflow: str
    seconds: float
    """Since following began."""
    finished_before: int
    """Runs that were over when following began."""

    @property
    def total(self) -> int:
        """All runs of the sweep."""
        return sum(self.counts.values())

    @property
    def over(self) -> int:
        """Runs that are over."""
        return self.total - sum(self.counts[state] for state in UNDER_WAY)

    @property
    def runs_per_hour(self) -> float:
        """Runs that ended since following began, per hour; 0 before the first."""
        return 3600 * (self.over - self.finished_before) / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """By the rate so far, with what runs now counted by its epochs; None before the first run ended."""
        if self.over <= self.finished_before:
            return None
        begun = sum(run.epoch / run.epochs for run in self.at_work if run.epochs)
        done = self.over - self.finished_before + begun
        return (self.total - self.over - begun) * self.seconds / done


class Watch:
    """Looks at one sweep again and again; finished runs are read anew only when there are more of them."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self._ledger, self._name = ledger, name
        self._began = time.monotonic()
        self._finished: tuple[Run, ...] = ()
        self._finished_before: int | None = None

    def look(self) -> View:
        """The sweep as it is now."""
        counts = self._ledger.counts(self._name)
        if counts[RunState.FINISHED] != len(self._finished):
            self._finished = tuple(self._ledger.runs(self._name, RunState.FINISHED))
        view = View(
            self._ledger.sweep(self._name),
            counts,
            tuple(self._ledger.runs(self._name, RunState.RUNNING, RunState.ASSIGNED)),
            self._finished,
            self._ledger.redis.get(MLFLOW_URL) or "starts",
            time.monotonic() - self._began,
            self._finished_before or 0,
        )
        if self._finished_before is None:
            self._finished_before = view.over
        return view._replace(finished_before=self._finished_before)


def render(view: View) -> RenderableType:
    """The view for a terminal."""
    table = Table.grid(padding=(0, 2))
    for run in view.at_work:
        table.add_row(
            run.spec.slug,
            ProgressBar(total=max(run.epochs, 1), completed=run.epoch, width=24),
            f"epoch {run.epoch}/{run.epochs}" if run.epochs else "starting",
            f"{run.steps_per_s:.1f} steps/s" if run.steps_per_s else "",
            _metrics(run),
        )
    return Group(Text(f"{view.sweep.name}  ", style="bold") + _states(view), table, Text(summary(view), style="dim"))


def line(view: View) -> str:
    """The view as one plain line."""
    counts = "  ".join(f"{state} {count}" for state, count in view.counts.items() if count)
    return f"{view.sweep.name}: {view.over}/{view.total} over  {counts}  {summary(view)}"


def summary(view: View) -> str:
    """Best so far, rate, time left, where MLflow is, and why nothing starts."""
    metric = view.sweep.metric
    parts = []
    if top := best(view.finished, metric):
        parts.append(f"best {metric.name} {top.metrics[metric.name]:.4f} ({top.spec.slug})")
    if view.runs_per_hour:
        parts.append(f"{view.runs_per_hour:.0f} runs/h")
    if view.seconds_left is not None:
        parts.append(f"about {_duration(view.seconds_left)} left")
    if view.sweep.paused:
        parts.append(f"PAUSED: {view.sweep.paused}; `orchestrator resume {view.sweep.name}` goes on")
    return "  ".join([*parts, f"MLflow {view.mlflow}"])


def _states(view: View) -> Text:
    shown = [(state, count) for state, count in view.counts.items() if count]
    return Text("  ").join(Text(f"{count} {state}", style=_STYLES.get(state, "")) for state, count in shown)


def _metrics(run: Run) -> str:
    return "  ".join(f"{name} {run.metrics[name]:.4f}" for name in ("loss", "val_loss") if name in run.metrics)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
