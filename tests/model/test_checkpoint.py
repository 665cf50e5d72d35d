"""A saved network is the same network, and saving it takes no second one's memory."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from model.build import build_compiled
from model.checkpoint import Checkpoints, Progress
from model.config import resolve
from model.results import _save

SHARES = [0.9, 0.05, 0.03, 0.02]

SAVING = """
import json, sys, tempfile
from pathlib import Path
from model.build import build_compiled
from model.config import resolve
from model.checkpoint import Checkpoints, Progress
from model.results import _save
from model.units import MIB
from worker.memory import peak_mib
network = build_compiled(resolve({"model.depth": 4, "model.base_filters": 32}), json.loads(sys.argv[1]), 10)
variables = [*network.variables, *network.optimizer.variables]
held_mib = 4 * sum(variable.shape.num_elements() for variable in variables) / MIB
with tempfile.TemporaryDirectory() as folder:
    before_mib = peak_mib()
    Checkpoints(Path(folder), "a", "t").save(network, Progress(1))
    _save(network, Path(folder) / "model.keras")
    print(json.dumps([held_mib, peak_mib() - before_mib]))
"""


@pytest.fixture
def network() -> keras.Model:
    values = {"model.depth": 1, "model.base_filters": 4, "model.normalisation": "batch"}
    network = build_compiled(resolve(values), SHARES, 10)
    x, y = np.random.default_rng(0).random((2, 3, 16, 16, 1), np.float32), np.zeros((2, 3, 16, 16), np.int32)
    network.train_on_batch(x, y, sample_weight=np.ones(y.shape, np.float32))
    return network


def same(network: keras.Model, other: keras.Model) -> bool:
    ours, theirs = ([*each.variables, *each.optimizer.variables] for each in (network, other))
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_checkpoint_brings_back_weights_optimiser_and_step(network: keras.Model, tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, "run", "token")
    checkpoints.save(network, Progress(3))
    checkpoints.save(network, Progress(7))
    loaded = Checkpoints(tmp_path, "run", "other token").load()
    assert loaded is not None
    assert loaded[1].step == 7
    assert same(network, loaded[0])
    assert len(list(tmp_path.glob("run/token/*"))) == 1


def test_a_result_is_an_archive_as_keras_writes_it(network: keras.Model, tmp_path: Path) -> None:
    _save(network, tmp_path / "ours.keras")
    network.save(tmp_path / "theirs.keras")
    names = [set(zipfile.ZipFile(path).namelist()) for path in sorted(tmp_path.iterdir())]
    assert len(names) == 2, "nothing is left beside it"
    assert names[0] == names[1]
    assert same(network, keras.saving.load_model(tmp_path / "ours.keras"))


def test_saving_does_not_hold_a_second_copy_in_memory() -> None:
    command = [sys.executable, "-c", SAVING, json.dumps(SHARES)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    held_mib, grown_mib = json.loads(done.stdout)
    assert held_mib > 300
    assert grown_mib < held_mib / 2
