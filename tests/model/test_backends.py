"""The same network, loss and training on TensorFlow, JAX and PyTorch.

PyTorch is left out where it is not installed: what its index offers for Linux brings several GB of CUDA along.
`make torch` installs it into a folder of its own, as CI does.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
TORCH = ROOT / ".torch"


def computed_by(backend: str) -> dict[str, Any]:
    folders = [str(ROOT), os.environ.get("PYTHONPATH"), str(TORCH) if backend == "torch" else None]
    path = os.pathsep.join(filter(None, folders))
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path}
    command = [sys.executable, "-m", "tests.model.backend_steps"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return computed_by("tensorflow")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_answers_learns_and_resumes_alike(backend: str, expected: dict[str, Any]) -> None:
    if backend == "torch" and not (TORCH.exists() or importlib.util.find_spec("torch")):
        pytest.skip("PyTorch is not installed; `make torch` installs it")
    found = computed_by(backend)
    assert found["backend"] == backend
    assert found["step"]["loss"] == pytest.approx(expected["step"]["loss"], abs=1e-4)
    np.testing.assert_allclose(found["step"]["answer"], expected["step"]["answer"], atol=1e-4)
    np.testing.assert_allclose(found["step"]["moved"], expected["step"]["moved"], atol=1e-4)
    assert np.abs(expected["step"]["moved"]).max() > 0.01, "the step must be worth comparing"
    assert found["resumed"]


def test_a_training_that_was_stopped_twice_ends_with_the_weights_of_one_that_was_not(expected: dict[str, Any]) -> None:
    assert expected["resumed"]
