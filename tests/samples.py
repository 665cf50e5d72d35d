"""Small values that many tests need."""

from __future__ import annotations

import json
from collections.abc import Mapping

from model.config import TrainConfig, resolve
from orchestrator.ledger import Ledger
from orchestrator.records import SweepPolicy
from worker.spec import Goal, Metric, RunSpec

METRIC = Metric(name="val_f1", goal=Goal.MAXIMIZE)


def run_spec(run_id: str, *, sweep: str = "s", cell: int = 0, seed: int = 0, footprint_mib: int = 1000) -> RunSpec:
    """A run of a sweep with one axis."""
    config: TrainConfig = resolve({"training.seed": seed})
    return RunSpec(
        run_id=run_id,
        sweep=sweep,
        slug=f"slug-{run_id}",
        cell=cell,
        seed=seed,
        axes={"model.depth": cell + 1},
        config=config,
        metric=METRIC,
        footprint_mib=footprint_mib,
        signature=f"signature-{footprint_mib}",
    )


def sweep_fields(policy: SweepPolicy | None = None) -> Mapping[str, str]:
    """What a submission writes of a sweep."""
    return {
        "metric": METRIC.model_dump_json(),
        "axes": json.dumps(["model.depth"]),
        "policy": (policy or SweepPolicy()).model_dump_json(),
    }


def submit(ledger: Ledger, *run_ids: str, sweep: str = "s", policy: SweepPolicy | None = None) -> list[RunSpec]:
    """Submit runs, each a cell of its own."""
    runs = [run_spec(run_id, sweep=sweep, cell=cell) for cell, run_id in enumerate(run_ids)]
    ledger.submit(sweep, runs, sweep_fields(policy))
    return runs
