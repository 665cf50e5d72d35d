from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from model.movies import write_movie
from model.registry import find_network
from orchestrator.balancer.launchers.process import ProcessLauncher
from orchestrator.records import Worker
from orchestrator.services import BALANCER, MLFLOW, REDIS, Services
from orchestrator.states import RunState
from tests.e2e.installation import BIN, Installation, tags, wait_for, write_space
from tests.model.bad_files import NOISE
from worker.spec import report_stream

pytestmark = pytest.mark.timeout(600)

STATES = [str(state) for state in RunState]


def assert_complete(installation: Installation, sweep: str, runs: int, epochs: int) -> None:
    """Every run has one accepted result, and MLflow shows just that, each with a whole history."""
    report = installation.json("report", sweep)
    assert (report["complete"], report["accepted"], report["finished"]) == (True, runs, runs), report
    children = installation.children(sweep)
    assert len(children) == runs
    assert {child["info"]["status"] for child in children} == {"FINISHED"}
    assert all(tags(child).get("hdsmlm.accepted") == "true" for child in children)
    assert len({tags(child)["hdsmlm.run_id"] for child in children}) == runs
    for child in children:
        assert installation.history(child["info"]["run_id"], "val_loss") == list(range(1, epochs + 1))


def test_a_sweep_goes_from_yaml_to_leaderboard_and_is_not_trained_again(
    installation: Installation, tmp_path: Path
) -> None:
    space = write_space(tmp_path, "first", rates=2, seeds=2)
    planned = installation.json("plan", str(space))
    assert (planned["sweep"], planned["runs"], planned["new"]) == ("first", 4, 4)

    ran = installation.call("run", str(space))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 runs: 4 new" in ran.stdout
    assert "4 of 4 runs have one accepted result." in ran.stdout
    assert "Leaderboard of first by val_f1" in ran.stdout
    assert_complete(installation, "first", runs=4, epochs=3)

    again = installation.call("run", str(space))
    assert again.returncode == 0
    assert "4 runs: nothing new, 4 finished" in again.stdout
    assert len(installation.children("first")) == 4

    resubmitted = installation.json("submit", str(space))
    assert (resubmitted["new"], resubmitted["finished"]) == (0, 4)
    for answer in (planned, resubmitted, installation.json("status", "first"), installation.json("report", "first")):
        assert sum(answer[state] for state in STATES) == answer["runs"]


def test_mlflow_holds_all_that_the_first_sweep_promised(installation: Installation) -> None:
    child = installation.children("first")[0]
    artifacts = installation.home / "mlflow" / "artifacts"
    run_id = child["info"]["run_id"]
    files = {path.name for path in artifacts.rglob("*") if run_id in path.parts}
    assert {"config.json", "model.keras", "preprocessing.json", "learning_curve.png", "prediction.png"} <= files
    params = {param["key"]: param["value"] for param in child["data"]["params"]}
    assert (params["model.base_filters"], params["data.patch_px"]) == ("4", "16")
    metrics = {metric["key"] for metric in child["data"]["metrics"]}
    assert {"loss", "val_loss", "learning_rate", "val_f1", "test_f1", "test_f1_shuffled"} <= metrics
    assert any(name.startswith("system/") for name in metrics)
    assert {"hdsmlm.run_id", "hdsmlm.sweep", "hdsmlm.attempt", "seed", "version.keras"} <= tags(child).keys()
    assert len(tags(child)["mlflow.source.git.commit"]) >= 6
    sweep = installation.ledger.sweep("first")
    assert tags(child)["mlflow.parentRunId"] == sweep.parent_run_id
    parent = installation.experiments._call("GET", "runs/get", {"run_id": sweep.parent_run_id})
    assert parent["run"]["info"]["status"] == "FINISHED"


def test_the_best_model_is_promoted_and_used_as_the_promotion_says(
    installation: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = installation.json("report", "first", "--promote")["promoted"]
    assert (seen["uri"], seen["version"], seen["new"]) == ("models:/first@champion", 1, True)
    said = installation.call("report", "first", "--promote").stdout
    assert f"first version 1 (run {seen['run']}, val_f1 " in said
    assert f"runs:/{seen['mlflow_run_id']}" in said
    monkeypatch.setenv("MLFLOW_TRACKING_URI", installation.experiments.url)
    networks = [find_network(name) for name in (seen["uri"], f"runs:/{seen['mlflow_run_id']}")]
    assert networks[0].read_bytes() == networks[1].read_bytes()

    write_movie(tmp_path / "movie.tif", NOISE, 100.0)
    command = said.splitlines()[-1].strip()
    shell = {**installation.environment, "PATH": f"{BIN}:{os.environ['PATH']}"}
    used = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=shell, capture_output=True, text=True, check=False)
    assert used.returncode == 0, used.stderr


def test_what_a_run_printed_can_be_read(installation: Installation) -> None:
    run = installation.ledger.runs("first")[0]
    answer = installation.call("logs", run.spec.slug)
    assert "epoch 3/3" in answer.stdout
    assert "val_loss" in installation.call("logs", run.run_id[:6], "-f").stdout


def test_killed_workers_and_balancers_lose_nothing(installation: Installation, tmp_path: Path) -> None:
    space = write_space(tmp_path, "chaos", rates=6, seeds=2, epochs=3)
    following = installation.start("run", str(space))
    wait_for(lambda: installation.ledger.counts("chaos")[RunState.FINISHED] >= 1)
    wait_for(lambda: any(_kill_at_work(installation, "chaos", worker) for worker in installation.leases.workers()))
    following.kill()
    following.communicate()
    balancer = Services(installation.settings).find(BALANCER)
    assert balancer is not None
    os.kill(balancer.pid, signal.SIGKILL)

    ran = installation.call("run", str(space))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert_complete(installation, "chaos", runs=12, epochs=3)
    assert sum(run.attempts for run in installation.ledger.runs("chaos")) >= 13


def test_an_interrupted_run_checkpoints_and_goes_on_where_it_was(installation: Installation, tmp_path: Path) -> None:
    space = write_space(tmp_path, "pausing", rates=1, seeds=1, epochs=8, steps=40)
    following = installation.start("run", str(space))
    wait_for(lambda: any(run.epoch >= 1 for run in installation.ledger.runs("pausing", RunState.RUNNING)))
    following.send_signal(signal.SIGINT)
    output, _ = following.communicate(timeout=120)
    assert following.returncode == 130, output
    assert "held; `orchestrator run` goes on" in output
    (run,) = installation.ledger.runs("pausing")
    assert (run.state, run.failures) == (RunState.QUEUED, {})

    ran = installation.call("run", str(space))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "resumed at step" in installation.call("logs", run.run_id).stdout
    assert_complete(installation, "pausing", runs=1, epochs=8)


def test_two_terminals_that_submit_at_once_queue_each_run_once(installation: Installation, tmp_path: Path) -> None:
    space = write_space(tmp_path, "twice", rates=2, seeds=50)
    installation.ledger.mark_sweep("twice", paused="until both are in")
    both = [installation.start("submit", str(space), "--json") for _ in range(2)]
    answers = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    counts = installation.ledger.counts("twice")
    assert (counts[RunState.QUEUED], sum(counts.values())) == (100, 100)
    assert "100 runs of twice cancelled" in installation.call("cancel", "twice").stdout


def test_down_stops_everything_and_leaves_no_process(installation: Installation) -> None:
    assert "stopped: balancer, mlflow, redis" in installation.call("down").stdout
    services = Services(installation.settings)
    assert [services.find(name) for name in (REDIS, MLFLOW, BALANCER)] == [None, None, None]
    ours = [process for process in psutil.process_iter(["cmdline"]) if _is_ours(process, installation)]
    assert ours == []


def _kill_at_work(installation: Installation, sweep: str, worker: Worker) -> bool:
    """Kill a worker in the middle of its run, which ends with it; both are stopped first, and heard out."""
    supervisor = psutil.Process(_worker_pid(installation, worker.worker_id))
    supervisor.suspend()
    family = [*supervisor.children(), supervisor]
    for process in family:
        process.suspend()
    wait_for(lambda: not installation.ledger.redis.xlen(report_stream(worker.worker_id)))
    at_work = worker.run_id in {run.run_id for run in installation.ledger.runs(sweep, RunState.RUNNING)}
    if at_work:
        supervisor.kill()
    else:
        for process in family:
            process.resume()
    return at_work


def _worker_pid(installation: Installation, worker_id: str) -> int:
    return ProcessLauncher(installation.home, {}, threads=1)._processes[worker_id].pid


def _is_ours(process: psutil.Process, installation: Installation) -> bool:
    return any(str(installation.home) in part for part in process.info["cmdline"] or [])
