"""Commands print the same, byte for byte, whether they answer themselves or ask an API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from fastapi import FastAPI

from orchestrator.api.application import application
from orchestrator.backends.direct import Direct
from orchestrator.balancer.cli import cli as balancer
from orchestrator.balancer.snapshot import SNAPSHOT
from orchestrator.cli import cli as orchestrator
from orchestrator.entry import run as run_command
from orchestrator.ledger import UNSETTLED, Ledger
from orchestrator.settings import Settings
from orchestrator.states import RunState
from tests.orchestrator.api.served import TOKEN, serving
from tests.samples import submit

SPACE = (
    "name: grid\nmetric: {name: val_f1}\nparameters:\n  model.depth: {values: [1, 2]}\nreplicates: {seeds: [1, 2]}\n"
)
MALFORMED = SPACE.replace("model.depth", "model.dpeth").replace("val_f1", "val_f2")
REAL = SPACE + "base: {data.source: experimental, data.movie: none.tif, data.table: none.csv}\n"
RUN = "3fa9c1e27b05d814"


class Said(NamedTuple):
    code: object
    out: str
    err: str


Call = Callable[..., Said]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Runs a command with some environment, as a shell would see it."""

    def invoke(environment: dict[str, str], program: str, *arguments: str) -> Said:
        for name in ("HDSMLM_HOME", "HDSMLM_REDIS_URL", "HDSMLM_DATA", "ORCHESTRATOR_URL", "ORCHESTRATOR_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        command, prefix = (balancer, "balancer: ") if program == "balancer" else (orchestrator, "")
        with pytest.raises(SystemExit) as left:
            run_command(lambda: command(list(arguments), prog_name=program), prefix)
        return Said(left.value.code, *capsys.readouterr())

    return invoke


@pytest.fixture
def direct(call: Call, settings: Settings) -> Call:
    """A command on the machine of the services."""
    environment = {"HDSMLM_HOME": str(settings.home), "HDSMLM_REDIS_URL": settings.redis_url}
    environment |= {"HDSMLM_DATA": str(settings.data), "COLUMNS": "120"}
    return lambda *arguments: call(environment, *arguments)


@pytest.fixture
def remote(call: Call, url: str, tmp_path: Path) -> Call:
    """The same command on a machine that has an address and a token."""
    environment = {"HDSMLM_HOME": str(tmp_path / "laptop"), "ORCHESTRATOR_URL": url, "ORCHESTRATOR_TOKEN": TOKEN}
    return lambda *arguments: call(environment | {"COLUMNS": "120"}, *arguments)


@pytest.fixture
def long_ago(inhabited: Ledger) -> Ledger:
    """A state that does not age while two commands look at it."""
    seen = json.loads(inhabited.redis.get(SNAPSHOT))
    inhabited.redis.set(SNAPSHOT, json.dumps(seen | {"at": seen["at"] - 3 * 3600 - 600}))
    inhabited.move("b" * 16, RunState.CANCELLED)
    inhabited.note({RUN: {"metrics": '{"val_f1": 0.5, "loss": NaN}', "epoch": 1}})
    return inhabited


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("status", 0),
        ("status --json", 0),
        ("status wolf --runs", 0),
        ("status --runs --json", 0),
        ("status nobody", 2),
        ("status no/body", 2),
        ("report wolf", 0),
        ("report wolf --json", 0),
        ("report nobody", 2),
        (f"logs {RUN}", 0),
        ("logs slug-3fa9c1e27b05d814", 0),
        ("logs 3fa", 0),
        (f"logs {'b' * 16} -f", 0),
        (f"logs {'c' * 16}", 1),
        ("logs nobody", 2),
    ],
)
def test_looking_at_sweeps(long_ago: Ledger, direct: Call, remote: Call, command: str, code: int) -> None:
    here, there = direct("orchestrator", *command.split()), remote("orchestrator", *command.split())
    assert here.code == code, here
    if "no/body" in command:
        assert there.code == code
    else:
        assert there == here


@pytest.mark.parametrize("text", [SPACE, MALFORMED, "", "a: &a [1]\nb: [*a, *a", SPACE + "x: " + "[" * 50])
@pytest.mark.parametrize("command", ["plan", "plan --json", "submit", "submit --json"])
def test_search_spaces(ledger: Ledger, direct: Call, remote: Call, tmp_path: Path, text: str, command: str) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(text)
    verb, *options = command.split()
    here = direct("orchestrator", verb, str(file), *options)
    ledger.redis.flushall()
    assert remote("orchestrator", verb, str(file), *options) == here
    assert here.code == (0 if text == SPACE else 2)
    assert sum(ledger.counts("grid").values()) == (4 if verb == "submit" and text == SPACE else 0)


def test_a_movie_that_is_not_there(ledger: Ledger, direct: Call, remote: Call, tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(REAL)
    here = direct("orchestrator", "plan", str(file))
    assert (here.code, f"{tmp_path}/data/none.tif" in here.err) == (2, True)
    assert remote("orchestrator", "plan", str(file)) == here


def test_a_file_that_is_not_there(direct: Call, remote: Call, tmp_path: Path) -> None:
    command = ("orchestrator", "plan", str(tmp_path / "nowhere.yaml"))
    assert remote(*command) == direct(*command)


@pytest.mark.parametrize(
    "command",
    [
        "pause wolf",
        "resume wolf",
        "cancel wolf",
        "cancel wolf 3fa slug-c",
        "retry wolf",
        f"retry wolf {'b' * 16}",
        "pause nobody",
        "cancel wolf nobody",
    ],
)
def test_steering_sweeps(ledger: Ledger, direct: Call, remote: Call, command: str) -> None:
    said, left = [], []
    for call in (direct, remote):
        ledger.redis.flushall()
        submit(ledger, RUN, "b" * 16, "c", sweep="wolf")
        ledger.move("b" * 16, RunState.CANCELLED)
        said.append(call("orchestrator", *command.split()))
        left.append((ledger.counts("wolf"), ledger.sweep("wolf").paused))
    assert said[0] == said[1]
    assert left[0] == left[1]


def ageless(said: Said) -> Said:
    """Without the age of the snapshot, the one number that no two calls share."""
    try:
        seen = json.loads(said.out)
    except ValueError:
        return said
    return said._replace(out=json.dumps({**seen, "age_s": 0}))


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "status --json",
        f"explain {RUN}",
        f"explain {RUN} --json",
        f"explain {'c' * 16}",
        f"explain {'b' * 16} --json",
        "explain nobody",
        "drain cpu",
        "drain --now",
        "drain gpu7",
        "resume",
        "resume cpu",
    ],
)
def test_looking_at_devices_and_steering_them(long_ago: Ledger, direct: Call, remote: Call, command: str) -> None:
    said = []
    for call in (direct, remote):
        if command.startswith("resume"):
            direct("balancer", "drain", "--now")
        said.append(ageless(call("balancer", *command.split())))
    assert said[0] == said[1]


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
