"""Commands print the same, byte for byte, whether they answer themselves or ask an API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator.balancer.answers.status import SNAPSHOT
from orchestrator.balancer.leases import Leases
from orchestrator.experiment import Experiments
from orchestrator.ledger import Ledger
from orchestrator.settings import Settings
from orchestrator.states import RunState
from tests.orchestrator.api.calling import SPACE, Call, Said
from tests.orchestrator.attempts import finish, logged
from tests.samples import submit

MALFORMED = SPACE.replace("model.depth", "model.dpeth").replace("val_f1", "val_f2")
REAL = SPACE + "base: {data.source: experimental, data.movie: none.tif, data.table: none.csv}\n"
RUN = "3fa9c1e27b05d814"


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
        ("report wolf --promote", 1),
        ("report nobody --promote --json", 2),
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


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_promoting_the_best_model(
    ledger: Ledger,
    leases: Leases,
    experiments: Experiments,
    settings: Settings,
    direct: Call,
    remote: Call,
    tmp_path: Path,
    options: tuple[str, ...],
) -> None:
    record = settings.home / "services" / "mlflow.json"
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"address": experiments.url}))
    submit(ledger, RUN, sweep="lynx")
    network = tmp_path / "model.keras"
    network.write_text("a network")
    finish(ledger, leases, RUN, logged(experiments, "lynx", network), {"val_f1": 0.5})
    first = remote("orchestrator", "report", "lynx", "--promote")
    assert (first.code, "promoted lynx version " in first.out) == (0, True), first
    again = [call("orchestrator", "report", "lynx", "--promote", *options) for call in (direct, remote)]
    assert again[0] == again[1]
    assert (again[0].code, "models:/lynx@champion" in again[0].out) == (0, True)


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
