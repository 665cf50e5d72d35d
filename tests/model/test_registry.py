"""Networks by the names that a real MLflow server knows."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import NamedTuple

import mlflow
import numpy as np
import pytest
from click.testing import CliRunner, Result

from model.card import Card, load_network, write_card
from model.cli import main
from model.config import ModelConfig
from model.errors import InputError
from model.movies import write_movie
from model.prediction.windows import Reading
from model.registry import find_network
from model.unet import build_unet
from orchestrator.experiment import Experiments
from tests.model.bad_files import NOISE
from tests.samples import run_spec
from worker.failures import TrackingError
from worker.tracking import Tracker

SMALL = {"model.depth": 1, "model.base_filters": 2, "model.convolutions_per_block": 1}
SHORT = {
    "data.patch_px": 8,
    "training.epochs": 1,
    "training.steps_per_epoch": 1,
    "training.batch_size": 2,
    "evaluation.frames": 5,
    "evaluation.size_px": 16,
}


class Registered(NamedTuple):
    """A network, and the run that has it and is version 1 of `wolf`, the champion."""

    file: Path
    run: str


@pytest.fixture(scope="module")
def registered(experiments: Experiments, tmp_path_factory: pytest.TempPathFactory) -> Registered:
    file = tmp_path_factory.mktemp("registered") / "model.keras"
    build_unet(ModelConfig(depth=1, base_filters=2, convolutions_per_block=1), [0.7, 0.1, 0.1, 0.1], seed=3).save(file)
    write_card(file, Card(Reading(3, "hard"), 20.0, 99.0, 0.6, 100.0, 0.3, None))
    client = mlflow.MlflowClient(tracking_uri=experiments.url, registry_uri=experiments.url)
    run = client.create_run(client.create_experiment("wolf")).info
    client.log_artifact(run.run_id, str(file), "model")
    client.create_registered_model("wolf")
    client.create_model_version("wolf", f"{run.artifact_uri}/model", run.run_id)
    client.set_registered_model_alias("wolf", "champion", "1")
    return Registered(file, run.run_id)


@pytest.fixture(autouse=True)
def server(experiments: Experiments, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", experiments.url)


def call(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize(
    "reference",
    ["models:/wolf@champion", "models:/wolf/1", "runs:/{run}", "run:/{run}", "runs:/{run}/", "runs:/{run}/model"],
)
def test_every_name_of_a_network_leads_to_its_file(registered: Registered, reference: str) -> None:
    found = find_network(reference.format(run=registered.run))
    assert found.read_bytes() == registered.file.read_bytes()


def test_a_movie_is_predicted_by_the_champion_of_a_registry(registered: Registered, tmp_path: Path) -> None:
    write_movie(tmp_path / "a.tif", NOISE, 100.0)
    done = call("predict", tmp_path / "a.tif", "--model", "models:/wolf@champion", "--out", tmp_path / "out", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["frames"] == len(NOISE)


@pytest.mark.parametrize(
    "reference",
    [
        "models:/wolf@nobody",
        "models:/wolf/99",
        "models:/fox@champion",
        "models:/wolf",
        "models:/",
        "runs:/0123456789abcdef0123456789abcdef",
        "run:/0af3",
        "runs:/",
        "runs:/{run}/nothing",
    ],
)
def test_a_name_that_the_server_does_not_know_is_one_line(
    registered: Registered, tmp_path: Path, reference: str
) -> None:
    name = reference.format(run=registered.run)
    write_movie(tmp_path / "a.tif", NOISE, 100.0)
    done = call("predict", tmp_path / "a.tif", "--model", name, "--out", tmp_path / "out")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output
    assert re.match(f"Error: (MLflow has no )?{re.escape(name)} ", done.stderr)


def test_an_unknown_parent_is_one_line(tmp_path: Path) -> None:
    done = call("train", "--out", tmp_path, *settings({**SMALL, **SHORT, "training.init_from": "runs:/0af3"}))
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1), done.output
    assert "MLflow has no runs:/0af3" in done.stderr


def test_a_training_begins_with_the_weights_of_an_mlflow_run(registered: Registered, tmp_path: Path) -> None:
    asked = {**SMALL, **SHORT, "training.init_from": f"runs:/{registered.run}", "optimizer.learning_rate": 1e-9}
    done = call("train", "--out", tmp_path / "out", *settings(asked))
    assert done.exit_code == 0, done.output
    *ours, _, _ = load_network(tmp_path / "out/model.keras")[0].get_weights()  # calibration changes the last layer
    *theirs, _, _ = load_network(registered.file)[0].get_weights()
    for mine, inherited in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, inherited, atol=1e-7)


def test_a_worker_tells_an_unknown_parent_from_a_server_that_is_away(
    registered: Registered, experiments: Experiments
) -> None:
    def tracker(url: str) -> Tracker:
        return Tracker(url, run_spec("r"), "token", lambda: None)

    found = tracker(experiments.url).parent(f"runs:/{registered.run}")
    assert found.read_bytes() == registered.file.read_bytes()
    with pytest.raises(InputError, match="has no run 0af3; check the id"):
        tracker(experiments.url).parent("runs:/0af3")
    with pytest.raises(TrackingError, match="cannot be fetched"):
        tracker("http://127.0.0.1:9").parent(f"runs:/{registered.run}")


def test_a_server_that_is_away_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    write_movie(tmp_path / "a.tif", NOISE, 100.0)
    done = call("predict", tmp_path / "a.tif", "--model", "models:/wolf@champion", "--out", tmp_path / "out")
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "models:/wolf@champion cannot be fetched from MLflow" in done.stderr


def test_without_a_server_its_address_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(InputError, match="MLFLOW_TRACKING_URI is not set"):
        find_network("runs:/0af3")


def settings(values: dict[str, object]) -> list[str]:
    return [word for path, value in values.items() for word in ("--set", f"{path}={value}")]
