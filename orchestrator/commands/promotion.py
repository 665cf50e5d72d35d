"""The best model of a sweep, registered in MLflow under the sweep's name with the alias `champion`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.addresses import mlflow_url
from orchestrator.commands.standings import champion, completeness, standings, told_best
from orchestrator.errors import OrchestratorError
from orchestrator.experiment import CHAMPION, Experiments
from worker.spec import PREFIX

if TYPE_CHECKING:
    from orchestrator.ledger import Ledger
    from orchestrator.records import Run, Sweep
    from orchestrator.settings import Settings

_LOCK_S = 60
"""After so long another promotion of the sweep goes on, whatever became of the one before."""


def promote(ledger: Ledger, settings: Settings, name: str) -> dict[str, Any]:
    """Register the best run of the best cell; one that is registered already gets the alias only.

    Raises:
        UnknownNameError: never submitted.
        OrchestratorError: no run has an accepted result, or its network is gone.
        ServiceError: MLflow is out of reach.
    """
    sweep = ledger.sweep(name)
    run = _champion(ledger, sweep)
    address = mlflow_url(settings)
    with ledger.redis.lock(f"{PREFIX}:promotion:{name}", timeout=_LOCK_S):
        version = Experiments(address).promote(name, run.mlflow_run_id)
    uri, public = f"models:/{name}@{CHAMPION}", settings.mlflow_public_url or address
    return {
        "sweep": name,
        "version": version.number,
        "new": version.new,
        "metric": sweep.metric.name,
        **told_best(run, sweep.metric),
        "uri": uri,
        "mlflow": public,
        "command": f"MLFLOW_TRACKING_URI={public} model predict movie.tif --model {uri}",
    }


def render_promotion(seen: Mapping[str, Any]) -> str:
    """What was done, and below it the command that uses the model."""
    what = f"{seen['sweep']} version {seen['version']} (run {seen['run']}, {seen['metric']} {seen['value']:.4f})"
    said = f"promoted {what}" if seen["new"] else f"{what} was registered before and is the champion"
    return f"{said}; next:\n    {seen['command']}"


def _champion(ledger: Ledger, sweep: Sweep) -> Run:
    runs = ledger.runs(sweep.name)
    found = champion(runs, standings(runs, sweep.metric, sweep.axes), sweep.metric)
    if found is None:
        raise OrchestratorError(
            f"no run of {sweep.name} has an accepted result with a {sweep.metric.name} to promote "
            f"({completeness(runs)}); `orchestrator status {sweep.name} --runs` says where each stands"
        )
    return found
