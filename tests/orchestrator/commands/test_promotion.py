"""The best model of a sweep in the registry of a real MLflow server."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from model.errors import InputError
from model.registry import find_network
from orchestrator.balancer.leases import Leases
from orchestrator.commands.promotion import promote, render_promotion
from orchestrator.errors import OrchestratorError, ServiceError, UnknownNameError
from orchestrator.experiment import Experiments
from orchestrator.ledger import Ledger
from orchestrator.settings import Settings
from tests.orchestrator.attempts import finish, logged
from tests.samples import run_spec, submit, sweep_fields

Finish = Callable[..., str]


@pytest.fixture
def sweep(request: pytest.FixtureRequest) -> str:
    """A sweep of its own for each test: the server is shared."""
    return f"sweep-{abs(hash(request.node.nodeid))}"


@pytest.fixture
def settings(experiments: Experiments, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", experiments.url)
    return Settings(mlflow_url=experiments.url)


@pytest.fixture
def done(ledger: Ledger, leases: Leases, experiments: Experiments, sweep: str, tmp_path: Path) -> Finish:
    """Finishes a run, with a network that holds the run's id, logged as a worker does; gives MLflow's id."""

    def do(run_id: str, val_f1: float, *, file: str = "model.keras") -> str:
        network = tmp_path / file
        network.write_text(run_id)
        mlflow_run_id = logged(experiments, sweep, network)
        finish(ledger, leases, run_id, mlflow_run_id, {"val_f1": val_f1})
        return mlflow_run_id

    return do


def champion(sweep: str) -> str:
    return find_network(f"models:/{sweep}@champion").read_text()


def versions(experiments: Experiments, sweep: str) -> list[dict[str, Any]]:
    found = experiments._call("GET", "model-versions/search", {"filter": f"name = '{sweep}'"})
    return list(found.get("model_versions", []))


def test_the_best_run_of_the_best_cell_becomes_the_champion(
    ledger: Ledger, settings: Settings, experiments: Experiments, sweep: str, done: Finish
) -> None:
    seeds = [run_spec(f"{cell}-{seed}", sweep=sweep, cell=cell, seed=seed) for cell in (0, 1) for seed in (0, 1)]
    deeper = [run.model_copy(update={"config": _deeper(run.config)}) if run.cell else run for run in seeds]
    ledger.submit(sweep, deeper, sweep_fields())
    of = {run: done(run, value) for run, value in {"0-0": 0.95, "0-1": 0.1, "1-0": 0.7, "1-1": 0.8}.items()}
    seen = promote(ledger, settings, sweep)
    assert (seen["run"], seen["mlflow_run_id"], seen["value"]) == ("1-1", of["1-1"], 0.8)
    assert (seen["version"], seen["new"]) == (1, True)
    assert champion(sweep) == "1-1"
    (version,) = versions(experiments, sweep)
    assert version["run_id"] == of["1-1"]
    assert render_promotion(seen) == (
        f"promoted {sweep} version 1 (run 1-1, val_f1 0.8000); next:\n"
        f"    MLFLOW_TRACKING_URI={experiments.url} model predict movie.tif --model models:/{sweep}@champion"
    )


def test_promoting_a_run_again_makes_no_second_version_but_sets_the_alias(
    ledger: Ledger, settings: Settings, experiments: Experiments, sweep: str, done: Finish
) -> None:
    submit(ledger, "a", sweep=sweep)
    done("a", 0.5)
    promote(ledger, settings, sweep)
    experiments._call("DELETE", "registered-models/alias", {"name": sweep, "alias": "champion"})
    with pytest.raises(InputError, match="MLflow has no models:"):
        champion(sweep)
    seen = promote(ledger, settings, sweep)
    assert (seen["version"], seen["new"], len(versions(experiments, sweep))) == (1, False, 1)
    assert "version 1 (run a, val_f1 0.5000) was registered before and is the champion" in render_promotion(seen)
    assert champion(sweep) == "a"


def test_a_better_run_takes_over_and_the_version_before_it_stays(
    ledger: Ledger, settings: Settings, sweep: str, done: Finish
) -> None:
    submit(ledger, "a", sweep=sweep)
    done("a", 0.5)
    promote(ledger, settings, sweep)
    submit(ledger, "a", "b", sweep=sweep)
    done("b", 0.6)
    seen = promote(ledger, settings, sweep)
    assert (seen["version"], seen["new"], champion(sweep)) == (2, True, "b")
    assert find_network(f"models:/{sweep}/1").read_text() == "a"


def test_two_who_promote_at_once_make_one_version(
    ledger: Ledger, settings: Settings, experiments: Experiments, sweep: str, done: Finish
) -> None:
    submit(ledger, "a", sweep=sweep)
    done("a", 0.5)
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(lambda _: promote(ledger, settings, sweep), range(4)))
    assert sorted(one["new"] for one in seen) == [False, False, False, True]
    assert len(versions(experiments, sweep)) == 1


def test_the_address_of_the_server_is_told_as_people_reach_it(
    ledger: Ledger, experiments: Experiments, sweep: str, done: Finish
) -> None:
    submit(ledger, "a", sweep=sweep)
    done("a", 0.5)
    behind = Settings(mlflow_url=experiments.url, mlflow_public_url="https://mlflow.example")
    assert promote(ledger, behind, sweep)["command"].startswith("MLFLOW_TRACKING_URI=https://mlflow.example model ")


def test_a_sweep_without_an_accepted_result_has_nothing_to_promote(ledger: Ledger, sweep: str) -> None:
    submit(ledger, "a", "b", sweep=sweep)
    told = f"no run of {sweep} has an accepted result with a val_f1 to promote (0 of 2 runs have one accepted result)"
    with pytest.raises(OrchestratorError, match=re.escape(told)):
        promote(ledger, Settings(), sweep)
    with pytest.raises(UnknownNameError):
        promote(ledger, Settings(), "nobody")


def test_a_network_that_is_gone_is_not_promoted(
    ledger: Ledger, settings: Settings, experiments: Experiments, sweep: str, done: Finish
) -> None:
    submit(ledger, "a", "b", sweep=sweep)
    deleted = done("a", 0.5)
    experiments.delete(deleted)
    with pytest.raises(OrchestratorError, match=rf"no model/model\.keras of its run {deleted}"):
        promote(ledger, settings, sweep)
    without = done("b", 0.6, file="other.keras")
    with pytest.raises(OrchestratorError, match=rf"no model/model\.keras of its run {without}"):
        promote(ledger, settings, sweep)
    assert versions(experiments, sweep) == []


def test_a_server_that_is_away_or_unknown_is_told(ledger: Ledger, sweep: str, done: Finish, tmp_path: Path) -> None:
    submit(ledger, "a", sweep=sweep)
    done("a", 0.5)
    with pytest.raises(ServiceError, match=r"MLflow does not answer at http://127\.0\.0\.1:1 "):
        promote(ledger, Settings(mlflow_url="http://127.0.0.1:1"), sweep)
    with pytest.raises(ServiceError, match="no MLflow server is known"):
        promote(ledger, Settings(home=tmp_path), sweep)


def _deeper(config: Any) -> Any:
    return config.model_copy(update={"model": config.model.model_copy(update={"depth": config.model.depth + 1})})
