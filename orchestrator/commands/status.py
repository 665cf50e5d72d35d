"""`orchestrator status`: the counters of one sweep or of all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.states import RunState

if TYPE_CHECKING:
    from orchestrator.ledger import Ledger
    from orchestrator.records import Run


def status_json(ledger: Ledger, name: str | None, *, with_runs: bool = False) -> dict[str, Any]:
    """One object: `sweep`, `runs`, `new` and the seven states, which sum to `runs`; of all sweeps without a name."""
    if name is None:
        sweeps = [status_json(ledger, each, with_runs=with_runs) for each in ledger.sweeps()]
        totals = {key: sum(sweep[key] for sweep in sweeps) for key in ("runs", "new", *map(str, RunState))}
        return {"sweep": None, **totals, "sweeps": sweeps}
    sweep, counts = ledger.sweep(name), ledger.counts(name)
    seen: dict[str, Any] = {
        "sweep": name,
        "runs": sum(counts.values()),
        "new": 0,
        **{str(state): count for state, count in counts.items()},
        "paused": sweep.paused,
        "held": sweep.hold,
    }
    return seen | ({"details": [_details(run) for run in ledger.runs(name)]} if with_runs else {})


def render_status(seen: Mapping[str, Any]) -> str:
    """The counters as text."""
    return "\n".join(_lines(seen))


def _lines(seen: Mapping[str, Any]) -> Iterator[str]:
    sweeps = seen.get("sweeps", [seen])
    if not sweeps:
        yield "no sweep was submitted yet; `orchestrator run search_spaces/quickstart.yaml` is a beginning"
        return
    yield f"{'SWEEP':<24} {'RUNS':>6} " + " ".join(f"{state.upper():>10}" for state in RunState)
    for sweep in sweeps:
        why = f"  paused: {sweep['paused']}" if sweep["paused"] else "  held" if sweep["held"] else ""
        yield f"{sweep['sweep']:<24} {sweep['runs']:>6} " + " ".join(f"{sweep[s]:>10}" for s in RunState) + why
        for run in sweep.get("details", []):
            yield f"  {run['run']}  {run['state']:<10} {run['slug']}  {run['message']}".rstrip()


def _details(run: Run) -> dict[str, Any]:
    return {
        "run": run.run_id,
        "slug": run.spec.slug,
        "state": run.state,
        "attempts": run.attempts,
        "epoch": run.epoch,
        "metrics": run.metrics,
        "mlflow_run_id": run.mlflow_run_id,
        "message": run.message,
    }
