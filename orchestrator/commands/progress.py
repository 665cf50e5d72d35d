"""What a sweep is doing just now, as one object: counts, the runs that train, what others wait for, the best result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.balancer.answers.status import SNAPSHOT, judged
from orchestrator.commands.standings import best, told_best
from orchestrator.ledger import UNSETTLED
from orchestrator.records import WorkerState
from orchestrator.states import RunState
from worker.spec import MLFLOW_URL

if TYPE_CHECKING:
    from orchestrator.ledger import Ledger
    from orchestrator.records import Run, Sweep


class Progress:
    """Looks at sweeps again and again; finished runs are read anew only when there are more of them."""

    def __init__(self, ledger: Ledger, mlflow: str) -> None:
        """`mlflow` is the server's address as people reach it; empty: as the balancer does."""
        self._ledger, self._mlflow = ledger, mlflow
        self._best: dict[str, tuple[int, dict[str, Any] | None]] = {}

    def of(self, name: str) -> dict[str, Any]:
        """The sweep as it is now; `unsettled` counts the runs of all sweeps whose last move MLflow does not show yet.

        Raises:
            UnknownNameError: never submitted.
        """
        sweep, counts = self._ledger.sweep(name), self._ledger.counts(name)
        return {
            "sweep": name,
            "runs": sum(counts.values()),
            **{str(state): count for state, count in counts.items()},
            "paused": sweep.paused,
            "metric": sweep.metric.model_dump(mode="json"),
            **self._ahead(name),
            "at_work": [_at_work(run) for run in self._ledger.runs(name, RunState.RUNNING, RunState.ASSIGNED)],
            "best": self._best_of(sweep, counts[RunState.FINISHED]),
            "mlflow": self._mlflow or self._ledger.redis.get(MLFLOW_URL),
            "unsettled": self._ledger.redis.scard(UNSETTLED),
        }

    def _ahead(self, name: str) -> dict[str, Any]:
        """What the balancer said last: how many workers are starting for the sweep, and why its next run waits."""
        seen = judged(self._ledger.redis.get(SNAPSHOT))
        if not seen["up"]:
            return {"starting": 0, "waits": "no balancer is up yet"}
        starting = [one for one in seen["workers"] if (one["sweep"], one["state"]) == (name, WorkerState.STARTING)]
        why = next((one["waits"] for one in seen["sweeps"] if one["sweep"] == name), "")
        return {"starting": len(starting), "waits": why}

    def _best_of(self, sweep: Sweep, finished: int) -> dict[str, Any] | None:
        known, found = self._best.get(sweep.name, (0, None))
        if known != finished:
            top = best(self._ledger.runs(sweep.name, RunState.FINISHED), sweep.metric)
            found = told_best(top, sweep.metric) if top else None
            self._best[sweep.name] = (finished, found)
        return found


def _at_work(run: Run) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "slug": run.spec.slug,
        "state": str(run.state),
        "epoch": run.epoch,
        "epochs": run.epochs,
        "steps_per_s": run.steps_per_s,
        "metrics": run.metrics,
    }
