"""The rules of the house that no import contract sees."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("orchestrator", "worker", "model")
DOORS = {
    "redis": {"orchestrator/redis_door.py", "worker/link.py"},
    "httpx": {"orchestrator/backends/remote.py"},
    "docker": {"orchestrator/balancer/launchers/engine.py"},
    "uvicorn": {"orchestrator/api/service.py"},
    "prometheus_client": {"orchestrator/api/metrics.py"},
    "rq": {"orchestrator/transport.py", "worker/supervisor.py"},
    "mlflow": {"model/registry.py", "worker/tracking.py"},
    "pynvml": {"orchestrator/balancer/probes/nvml_child.py"},
    "tifffile": {"model/tiff.py"},
    "ruamel": {"orchestrator/search_space/yaml_source.py", "model/picasso.py"},
    "h5py": {"model/hdf5.py"},
    "matplotlib": {"model/figures.py"},
}


def modules() -> list[Path]:
    return [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.split(".")[0] for name in names}


@pytest.mark.parametrize(
    "module",
    [
        "orchestrator.cli",
        "orchestrator.commands.run",
        "orchestrator.balancer.service",
        "orchestrator.balancer.cli",
        "orchestrator.api.application",
        "orchestrator.backends.remote",
        "model.cli",
    ],
)
def test_a_fresh_interpreter_loads_no_training_stack_for_the_control_plane(module: str) -> None:
    code = f"import {module}, sys; print(*sorted({{'tensorflow', 'keras', 'mlflow'}} & set(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert answer.stdout.strip() == ""


@pytest.mark.parametrize("library", DOORS)
def test_each_foreign_library_has_its_doors(library: str) -> None:
    users = {str(path.relative_to(ROOT)) for path in modules() if library in imported(path)}
    assert users == DOORS[library]


def test_forking_after_the_imports_is_safe_because_they_start_no_thread() -> None:
    code = "import worker.job, threading; print(threading.active_count())"
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert answer.stdout.split()[-1] == "1"


def test_the_packages_under_test_are_those_of_the_checkout() -> None:
    for package in PACKAGES:
        module = __import__(package)
        assert Path(module.__file__ or "").parent == ROOT / package


def test_no_module_is_a_junk_drawer() -> None:
    assert [path for path in modules() if path.stem in {"utils", "util", "helpers", "common", "misc"}] == []
