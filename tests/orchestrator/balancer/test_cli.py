from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from orchestrator.balancer.cli import cli
from orchestrator.balancer.closures import QUARANTINE
from orchestrator.balancer.daemon import Daemon
from orchestrator.balancer.readings import Reading
from orchestrator.balancer.simulator import POLICIES
from orchestrator.errors import UnknownNameError
from orchestrator.ledger import WAKE
from orchestrator.records import WorkerState
from tests.orchestrator.balancer.answers.documentation import documented
from tests.orchestrator.balancer.daemons import steps, under_way
from tests.orchestrator.balancer.ghosts import FakeLauncher, FakeProbe
from tests.samples import submit

FLEETS = Path(__file__).parents[3] / "benchmarks" / "balancer" / "fleets"
GPU = Reading("GPU-8f3a77", "H100", 0.0, total_mib=10_000, free_mib=9_900, slots=2, processes={}, name="gpu0")
TWO_GPUS = FakeProbe((GPU, replace(GPU, device_id="GPU-9b11c0", name="gpu1")))

Call = Callable[..., Result]


@pytest.fixture
def call(address: str) -> Call:
    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(cli, arguments, env={"HDSMLM_REDIS_URL": address})

    return invoke


@pytest.fixture
def gpus(daemon: Daemon) -> Daemon:
    """A balancer that has seen two GPUs."""
    daemon.probe = TWO_GPUS
    steps(daemon)
    daemon.ledger.redis.delete(WAKE)
    return daemon


def test_status_shows_names_and_prints_json_for_scripts(gpus: Daemon, call: Call) -> None:
    assert "gpu1" in call("status").output
    seen = json.loads(call("status", "--json").output)
    assert [device["device"] for device in seen["devices"]] == ["GPU-8f3a77", "GPU-9b11c0"]
    assert "books" not in seen


@pytest.mark.parametrize("name", ["gpu0", "GPU0", "GPU-8f3a77", "gpu-8", "8f3"])
def test_a_device_is_drained_by_its_name_or_the_beginning_of_its_id(gpus: Daemon, call: Call, name: str) -> None:
    output = call("drain", name).output
    assert output.startswith("gpu0 is drained: no run is there")
    assert gpus.observer.closures.drained() == {"GPU-8f3a77": False}


def test_without_a_name_all_devices_are_drained_and_used_again(gpus: Daemon, call: Call) -> None:
    call("drain", "--now")
    assert gpus.observer.closures.drained() == {"GPU-8f3a77": True, "GPU-9b11c0": True}
    assert call("resume").output.split("\n")[:2] == ["gpu0 is no longer drained", "gpu1 is no longer drained"]
    assert call("resume").output == "no device was closed\n"
    assert gpus.observer.closures.drained() == {}


def test_draining_and_resuming_tell_scripts_what_they_did(gpus: Daemon, call: Call) -> None:
    drained = json.loads(call("drain", "gpu0", "--now", "--json").output)
    gpus.ledger.redis.hset(QUARANTINE, "GPU-9b11c0", "3 losses in a row")
    resumed = json.loads(call("resume", "--json").output)
    (gpu0,), names = drained["devices"], {"device": "GPU-8f3a77", "name": "gpu0"}
    assert (drained["up"], gpu0) == (True, {**names, "now": True, "runs": 0})
    first, second = resumed["devices"]
    assert first == {**names, "was_drained": True, "was_quarantined": "", "trouble": ""}
    assert (second["was_drained"], second["was_quarantined"]) == (False, "3 losses in a row")
    assert json.loads(call("resume", "--json").output)["devices"] == []
    documents = ("drain, resume", "drain: devices", "resume: devices")
    assert [set(drained), set(gpu0), set(first)] == [documented(one) for one in documents]


@pytest.mark.parametrize("name", ["gpu7", "GPU-", ""])
def test_a_device_that_is_not_known_or_not_the_only_one_is_refused_with_those_that_are(
    gpus: Daemon, call: Call, name: str
) -> None:
    answer = call("drain", name)
    assert isinstance(answer.exception, UnknownNameError)
    assert "gpu0" in str(answer.exception)
    assert "gpu1" in str(answer.exception)
    assert gpus.observer.closures.drained() == {}


def test_an_unknown_device_ends_the_command_with_exit_code_2(gpus: Daemon, address: str) -> None:
    command = [sys.executable, "-m", "orchestrator.balancer", "drain", "gpu7"]
    environment = {**os.environ, "HDSMLM_REDIS_URL": address}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert answer.returncode == 2
    assert answer.stderr == "balancer: no devices are called 'gpu7'; known: gpu0, gpu1\n"


def test_draining_wakes_the_balancer_which_lets_the_worker_finish(
    daemon: Daemon, launcher: FakeLauncher, call: Call
) -> None:
    submit(daemon.ledger, "a", "b")
    under_way(daemon, launcher)
    daemon.ledger.redis.delete(WAKE)
    assert "1 run there is finished first" in call("drain", "cpu").output
    assert daemon.ledger.redis.xlen(WAKE) == 1
    steps(daemon)
    assert daemon.leases.workers()[0].state is WorkerState.DRAINING
    assert "cpu: its runs are finished, and nothing starts" in call("status").output


def test_draining_at_once_says_that_runs_go_back_to_the_queue(
    daemon: Daemon, launcher: FakeLauncher, call: Call
) -> None:
    submit(daemon.ledger, "a")
    under_way(daemon, launcher)
    assert "1 run there checkpoints and goes back to the queue" in call("drain", "--now").output


def test_resuming_lifts_a_quarantine_and_says_so(gpus: Daemon, call: Call) -> None:
    gpus.ledger.redis.hset(QUARANTINE, "GPU-9b11c0", "3 losses in a row; `balancer resume` uses it again")
    steps(gpus)
    assert "quarantined after 3 losses" in call("status").output
    assert call("resume", "gpu1").output == "gpu1 is no longer quarantined (it was, after 3 losses in a row)\n"
    steps(gpus)
    assert "quarantined" not in call("status").output


def test_a_device_that_is_gone_can_still_be_opened(gpus: Daemon, call: Call) -> None:
    gpus.observer.closures.drain("GPU-dead", release=False)
    assert call("resume", "GPU-dead").output == "GPU-dead is no longer drained\n"


def test_draining_before_any_balancer_has_run_is_refused(daemon: Daemon, call: Call) -> None:
    assert "no device is known" in str(call("drain").exception)


def test_explain_prints_a_page_or_json(daemon: Daemon, launcher: FakeLauncher, call: Call) -> None:
    submit(daemon.ledger, "a", "b")
    under_way(daemon, launcher)
    assert "waits: needs 2.0 GiB; cpu: its one slot is taken" in call("explain", "slug-b").output
    assert json.loads(call("explain", "a", "--json").output)["under_way"]["name"] == "cpu"


def test_a_simulation_tells_its_figures_and_draws_its_timeline(call: Call, tmp_path: Path) -> None:
    files = [str(FLEETS / "h100x8.yaml"), str(FLEETS.parent / "workloads" / "fractional.yaml")]
    picture = tmp_path / "timeline.svg"
    figures = json.loads(call("simulate", *files, "--policy", "one", "--json", "--timeline", str(picture)).output)
    assert (figures["policy"], figures["seed"]) == ("one", 0)
    assert picture.read_text().startswith("<svg")


def test_a_simulation_of_an_unknown_policy_is_refused_with_those_that_there_are(call: Call) -> None:
    files = [str(FLEETS / "h100x8.yaml"), str(FLEETS.parent / "workloads" / "fractional.yaml")]
    refused = call("simulate", *files, "--policy", "?")
    assert refused.exit_code == 2
    offered = refused.output.partition("is not one of")[2]
    assert re.findall(r"'([\w-]+)'", offered) == list(POLICIES)


def test_help_teaches_by_example(call: Call) -> None:
    for command in ("status", "explain", "drain", "resume", "simulate"):
        assert f"balancer {command}" in call(command, "--help").output
        assert f"balancer {command}" in call("--help").output
