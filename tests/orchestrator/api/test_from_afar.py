"""Commands that have the address of an API and no service beside them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fastapi import FastAPI

from orchestrator.api.application import application
from orchestrator.backends.direct import Direct
from orchestrator.ledger import UNSETTLED, Ledger
from orchestrator.settings import Settings
from orchestrator.states import RunState
from tests.orchestrator.api.calling import SPACE, Call
from tests.orchestrator.api.served import TOKEN, serving


@pytest.mark.parametrize("command", ["up", "down", "doctor"])
def test_what_is_about_the_services_of_a_machine_is_refused_from_afar(remote: Call, command: str) -> None:
    said = remote("orchestrator", command)
    assert (said.code, said.out) == (2, "")
    assert f"`orchestrator {command}` works on the machine of the services only" in said.err


def test_running_from_afar_submits_and_follows_to_the_end(ledger: Ledger, remote: Call, tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(SPACE)

    def end_it() -> None:
        while not ledger.counts("grid")[RunState.QUEUED]:
            time.sleep(0.05)
        for run in ledger.runs("grid"):
            ledger.move(run.run_id, RunState.CANCELLED)
        ledger.redis.delete(UNSETTLED)

    thread = threading.Thread(target=end_it)
    thread.start()
    said = remote("orchestrator", "run", str(file))
    thread.join()
    assert said.code == 1
    assert said.out.startswith("grid: 4 runs: 4 new\n")
    assert "0 of 4 runs have one accepted result." in said.out


def test_a_laptop_needs_neither_redis_nor_a_server_nor_the_training_stack(url: str, ledger: Ledger) -> None:
    heavy = "{'redis', 'rq', 'psutil', 'fcntl', 'fastapi', 'uvicorn', 'numpy', 'tensorflow', 'keras', 'mlflow'}"
    commands = "cli(['status'], standalone_mode=False); balancer(['status'], standalone_mode=False)"
    code = (
        "import sys; from orchestrator.cli import cli; from orchestrator.balancer.cli import cli as balancer;"
        f"{commands}; print(sorted({heavy} & set(sys.modules)))"
    )
    environment = {**os.environ, "ORCHESTRATOR_URL": url, "ORCHESTRATOR_TOKEN": TOKEN}
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert answer.stdout.splitlines()[-1] == "[]"


def test_a_wrong_token_is_told(call: Call, url: str) -> None:
    said = call({"ORCHESTRATOR_URL": url, "ORCHESTRATOR_TOKEN": "wrong"}, "orchestrator", "status")
    assert said == (2, "", "the token is missing or wrong; `orchestrator serve` says where the right one is\n")


@pytest.mark.parametrize(
    ("url", "token", "code", "words"),
    [
        ("http://127.0.0.1:1", "token", 3, "no orchestrator answers at http://127.0.0.1:1"),
        ("127.0.0.1:8642", "token", 1, "expected an address such as http://127.0.0.1:8642"),
        ("http://127.0.0.1:1", "", 2, "set ORCHESTRATOR_TOKEN, or ORCHESTRATOR_TOKEN_FILE"),
        ("http://127.0.0.1:1", "two words", 2, "ORCHESTRATOR_TOKEN is empty or holds blanks"),
    ],
)
def test_an_address_or_a_token_that_is_no_use_is_told(call: Call, url: str, token: str, code: int, words: str) -> None:
    said = call({"ORCHESTRATOR_URL": url, "ORCHESTRATOR_TOKEN": token}, "balancer", "status")
    assert (said.code, said.out) == (code, "")
    assert words in said.err


def test_a_server_that_is_no_orchestrator_is_told(call: Call) -> None:
    with serving(FastAPI()) as url:
        said = call({"ORCHESTRATOR_URL": url, "ORCHESTRATOR_TOKEN": TOKEN}, "orchestrator", "status")
    assert (said.code, said.out) == (3, "")
    assert f"{url} answers 404 Not Found, as no orchestrator of this release does" in said.err


def test_a_redis_that_is_away_is_told_alike(call: Call) -> None:
    away = "redis://:secret@127.0.0.1:1"
    with serving(application(Direct(Settings(redis_url=away)), TOKEN)) as url:
        there = call({"ORCHESTRATOR_URL": url, "ORCHESTRATOR_TOKEN": TOKEN}, "balancer", "status")
    assert there == call({"HDSMLM_REDIS_URL": away}, "balancer", "status")
    assert (there.code, "secret" in there.err) == (3, False)
