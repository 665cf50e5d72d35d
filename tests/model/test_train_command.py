"""`model train`, as a person calls it."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from click.testing import CliRunner, Result

from model.cli import main
from tests.model.samples import TINY


def call(out: Path, *words: str) -> Result:
    return CliRunner().invoke(main, ["train", "--out", str(out), *words])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(TINY))
    return path


def test_a_training_leaves_a_network_its_scores_and_its_history(tmp_path: Path, file: Path) -> None:
    out = tmp_path / "out"
    done = call(out, "--config", str(file), "--set", "optimizer.name=sgd")
    assert done.exit_code == 0, done.output
    assert keras.saving.load_model(out / "model.keras").output_shape == (None, 3, None, None, 4)
    assert {"model.keras", "preprocessing.json", "scores.json", "epochs.csv", "config.json"} <= set(os.listdir(out))
    assert json.loads((out / "config.json").read_text())["optimizer.name"] == "sgd"
    assert "test_f1" in json.loads((out / "scores.json").read_text())["scores"]
    rows = list(csv.DictReader((out / "epochs.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert float(rows[1]["val_loss"]) > 0


def test_an_interrupted_training_goes_on_at_its_step(tmp_path: Path, file: Path) -> None:
    words = [sys.executable, "-m", "model", "train", "--out", str(tmp_path / "out"), "--config", str(file)]
    words += ["--set", "training.epochs=100000"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as training:
        assert training.stdout is not None
        for line in training.stdout:
            if line.startswith("epoch 2/"):
                break
        training.send_signal(signal.SIGTERM)
        rest = training.stdout.read()
    assert training.returncode == 130, rest
    assert "the same command goes on from here" in rest
    (kept,) = (tmp_path / "out/checkpoints/run/model-train").glob("step-*")
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as training:
        assert training.stdout is not None
        first = next(line for line in training.stdout if line.startswith("goes on"))
        training.kill()
    assert first.startswith(f"goes on at step {int(kept.name.removeprefix('step-'))}, after epoch ")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--set", "model.depht=2"], "model.depht: Extra inputs are not permitted"),
        (["--set", "model.depth=99"], "model.depth: Input should be less than or equal to 6"),
        (["--set", "model.depth"], "--set model.depth: expected PATH=VALUE, such as model.depth=2"),
    ],
)
def test_a_hyperparameter_that_cannot_be_is_told_in_a_line(tmp_path: Path, words: list[str], complaint: str) -> None:
    done = call(tmp_path / "out", *words)
    assert done.exit_code == 2
    assert complaint in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("text", "complaint"), [("{", "is not JSON"), ("[1]", "holds no object of hyperparameters")])
def test_a_file_without_hyperparameters_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "x.json").write_text(text)
    done = call(tmp_path / "out", "--config", str(tmp_path / "x.json"))
    assert done.exit_code == 2
    assert complaint in done.output


def test_a_folder_is_not_used_for_two_trainings(tmp_path: Path, file: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/config.json").write_text("{}")
    done = call(tmp_path / "out", "--config", str(file))
    assert done.exit_code == 2
    assert "holds a training with another" in done.output
