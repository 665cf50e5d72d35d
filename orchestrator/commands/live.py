"""What `orchestrator run` shows while a sweep goes on, on a terminal and elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from orchestrator.states import UNDER_WAY, RunState

if TYPE_CHECKING:
    from orchestrator.backends.port import Backend

_STYLES = {
    RunState.FINISHED: "green",
    RunState.RUNNING: "cyan",
    RunState.FAILED: "red",
    RunState.INFEASIBLE: "magenta",
}


class View(NamedTuple):
    """One look at a sweep: the backend's `progress`, and what has passed since following began."""

    seen: Mapping[str, Any]
    seconds: float
    """Since following began."""
    over_before: int
    """Runs that were over when following began."""

    @property
    def counts(self) -> dict[RunState, int]:
        """Number of runs by state."""
        return {state: self.seen[state] for state in RunState}

    @property
    def over(self) -> int:
        """Runs that are over."""
        return sum(count for state, count in self.counts.items() if state not in UNDER_WAY)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen: every run is over, or the sweep is paused with nothing running."""
        waits_for_nobody = bool(self.seen["paused"]) and not self.seen["at_work"]
        return waits_for_nobody or not any(self.seen[state] for state in UNDER_WAY)

    @property
    def runs_per_hour(self) -> float:
        """Runs that ended since following began, per hour; 0 before the first."""
        return 3600 * (self.over - self.over_before) / max(self.seconds, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """By the rate so far, with what runs now counted by its epochs; None before the first run ended."""
        if self.over <= self.over_before:
            return None
        begun = sum(run["epoch"] / run["epochs"] for run in self.seen["at_work"] if run["epochs"])
        done = self.over - self.over_before + begun
        return float((self.seen["runs"] - self.over - begun) * self.seconds / done)


class Watch:
    """Looks at one sweep again and again."""

    def __init__(self, backend: Backend, name: str) -> None:
        self._backend, self._name = backend, name
        self._began = time.monotonic()
        self._over_before: int | None = None

    def look(self) -> View:
        """The sweep as it is now."""
        view = View(self._backend.progress(self._name), time.monotonic() - self._began, self._over_before or 0)
        if self._over_before is None:
            self._over_before = view.over
        return view._replace(over_before=self._over_before)


def render(view: View) -> RenderableType:
    """The view for a terminal."""
    table = Table.grid(padding=(0, 2))
    for run in view.seen["at_work"]:
        table.add_row(
            run["slug"],
            ProgressBar(total=max(run["epochs"], 1), completed=run["epoch"], width=24),
            f"epoch {run['epoch']}/{run['epochs']}" if run["epochs"] else "starting",
            f"{run['steps_per_s']:.1f} steps/s" if run["steps_per_s"] else "",
            _metrics(run["metrics"]),
        )
    return Group(Text(f"{view.seen['sweep']}  ", style="bold") + _states(view), table, Text(summary(view), style="dim"))


def line(view: View) -> str:
    """The view as one plain line."""
    counts = "  ".join(f"{state} {count}" for state, count in view.counts.items() if count)
    return f"{view.seen['sweep']}: {view.over}/{view.seen['runs']} over  {counts}  {summary(view)}"


def summary(view: View) -> str:
    """Best so far, rate, time left, where MLflow is, and why nothing runs."""
    seen, parts = view.seen, []
    if (top := seen["best"]) and top["value"] is not None:
        parts.append(f"best {seen['metric']['name']} {top['value']:.4f} ({top['slug']})")
    if view.runs_per_hour:
        parts.append(f"{view.runs_per_hour:.0f} runs/h")
    if view.seconds_left is not None:
        parts.append(f"about {_duration(view.seconds_left)} left")
    if seen["paused"]:
        parts.append(f"PAUSED: {seen['paused']}; `orchestrator resume {seen['sweep']}` goes on")
    elif not seen["at_work"] and (ahead := _ahead(seen)):
        parts.append(ahead)
    return "  ".join([*parts, f"MLflow {seen['mlflow'] or 'starts'}"])


def _ahead(seen: Mapping[str, Any]) -> str:
    """What will be next where nothing runs."""
    if starting := seen["starting"]:
        return f"{starting} worker{'s' if starting > 1 else ''} starting"
    return f"waits: {seen['waits']}" if seen["waits"] else ""


def _states(view: View) -> Text:
    shown = [(state, count) for state, count in view.counts.items() if count]
    return Text("  ").join(Text(f"{count} {state}", style=_STYLES.get(state, "")) for state, count in shown)


def _metrics(metrics: Mapping[str, float | None]) -> str:
    shown = ((name, metrics.get(name)) for name in ("loss", "val_loss"))
    return "  ".join(f"{name} {value:.4f}" for name, value in shown if value is not None)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
