# Everything that people and CI call. The first call makes .venv from the hashed lock.
VENV   := .venv
PYTHON ?= python3
UV     := $(VENV)/bin/uv
READY  := $(VENV)/.ready
TORCH  ?= torch
PYTEST := $(VENV)/bin/python -m pytest
TIMED  := tests/chaos tests/e2e

.PHONY: quickstart test test-containers torch gpu check fmt bench down lock clean
.DEFAULT_GOAL := quickstart

$(READY): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12 …" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(UV) pip install --quiet --python $(VENV)/bin/python --compile-bytecode --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python $(VENV)/bin/python --no-build-isolation --no-deps -e .
	touch $(READY)

quickstart: $(READY)  ## set everything up and train a small grid to its leaderboard
	$(VENV)/bin/orchestrator run search_spaces/quickstart.yaml

test: $(READY)  ## set everything up and run the tests, those that watch the clock alone
	$(PYTEST) tests --ignore tests/containers $(TIMED:%=--ignore %) --numprocesses logical --maxprocesses 4 --cov --cov-report=
	$(PYTEST) $(TIMED) --cov --cov-append --cov-report=term:skip-covered

test-containers: $(READY)  ## the system in containers, on a real Docker Engine, its pages in Chromium
	$(PYTEST) tests/containers --timeout 900

torch: $(READY)  ## PyTorch for the tests of backends, several GB into .torch
	$(UV) pip install --quiet --python $(VENV)/bin/python --compile-bytecode --target .torch --constraint requirements.lock $(TORCH)

gpu: $(READY)  ## CUDA for TensorFlow into .venv, several GB
	$(UV) pip install --quiet --python $(VENV)/bin/python --compile-bytecode --require-hashes -r locks/worker-gpu.lock

check: $(READY)  ## format, lint, types, layers
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

fmt: $(READY)
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

BENCH := PYTHONPATH=. $(VENV)/bin/python
FIRST := $(if $(filter 0,$(shell id -u)),--first)

bench: $(READY)  ## print what the README claims, some two hours; what needs Docker or a download: benchmarks/README.md
	$(BENCH) benchmarks/start_up.py
	$(BENCH) benchmarks/refusals.py
	$(BENCH) benchmarks/footprints.py
	$(BENCH) benchmarks/simulator.py
	$(BENCH) benchmarks/data_wait.py
	$(BENCH) benchmarks/training.py
	$(BENCH) benchmarks/predict.py --model model/champion/champion.keras --minutes 2
	$(BENCH) benchmarks/scoring.py
	$(BENCH) benchmarks/watchdog.py
	$(BENCH) benchmarks/balancer/decision.py
	$(BENCH) -m benchmarks.balancer.hand_over $(FIRST)
	$(BENCH) -m benchmarks.balancer.idle $(FIRST)
	$(BENCH) benchmarks/balancer/policies.py
	$(BENCH) benchmarks/balancer/safety.py
	$(BENCH) benchmarks/science/run.py --out .hdsmlm/science
	$(BENCH) benchmarks/science/optics.py

down:  ## checkpoint what runs and stop the services
	$(VENV)/bin/orchestrator down

LOCK = $(UV) pip compile --quiet --universal --generate-hashes --no-annotate --no-header --python-version 3.11

lock: $(READY)  ## resolve the dependencies anew: for people first, then for each image the same versions
	$(LOCK) pyproject.toml --extra train --extra embedded --group dev -o requirements.lock
	$(LOCK) --constraint requirements.lock pyproject.toml -o locks/control.lock
	$(LOCK) --constraint requirements.lock pyproject.toml --extra train -o locks/worker-cpu.lock
	$(LOCK) --constraint requirements.lock pyproject.toml --extra train --extra gpu -o locks/worker-gpu.lock
	$(LOCK) --constraint requirements.lock --group mlflow-server -o locks/mlflow.lock
	$(LOCK) --constraint requirements.lock --group build -o locks/build.lock

clean: down  ## remove what was installed; results stay in .hdsmlm until somebody deletes that folder
	rm -rf $(VENV)
