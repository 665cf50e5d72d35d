from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from orchestrator.balancer.answers.explanation import Reasons, cap_from
from orchestrator.balancer.answers.hindsight import Hindsight
from orchestrator.balancer.answers.inquiry import inquire
from orchestrator.balancer.answers.page import render_answer
from orchestrator.balancer.answers.status import SNAPSHOT, judged
from orchestrator.balancer.daemon import Daemon
from orchestrator.balancer.decision.footprints import Learned
from orchestrator.balancer.decision.observation import Demand, Device, Observation, SweepView, WorkerView
from orchestrator.balancer.decision.policy import decide
from orchestrator.balancer.readings import Reading
from orchestrator.errors import UnknownNameError
from orchestrator.records import Group, WorkerState
from orchestrator.states import RunState
from tests.orchestrator.balancer.answers.documentation import documented
from tests.orchestrator.balancer.daemons import steps, under_way
from tests.orchestrator.balancer.ghosts import FakeLauncher, FakeProbe
from tests.samples import run_spec, submit, sweep_fields
from worker.spec import FailureClass, ReportKind

METRICS = {"val_loss": 0.1}
GPU = Device("GPU-0", total_mib=20_000, free_mib=20_000, slots=4, model="H100", name="gpu0", safety_mib=256)
BUSY = WorkerView(
    "w0", "s", "GPU-0", 12_000, 12_000, WorkerState.BUSY, run_id="3fa9c1ffffff", signature="x", ends_in_s=720.0
)
TWO_GPUS = FakeProbe(
    tuple(
        Reading(f"GPU-{i}", "H100", 0.0, total_mib=10_000, free_mib=9_900, slots=2, processes={}, name=f"gpu{i}")
        for i in range(2)
    )
)


def demand(need_mib: int, *run_ids: str, sweep: str = "s", **fields: Any) -> Demand:
    return Demand(sweep, run_ids or ("r",), {"H100": need_mib}, signature=f"signature-{need_mib}", **fields)


def full(*demands: Demand, **changes: Any) -> Observation:
    """One GPU with one busy worker that leaves 7.6 GiB, and what is queued."""
    names = {one.sweep for one in demands}
    device = replace(GPU, free_mib=8_000, **changes)
    return Observation((device,), (BUSY,), tuple(map(SweepView, sorted(names))), demands)


def test_a_run_that_is_too_large_just_now_is_told_the_room_there_is_and_when_there_will_be_more() -> None:
    waiting = demand(11_000)
    assert Reasons(full(waiting)).why(waiting) == (
        "needs 10.8 GiB; most headroom is 7.6 GiB on gpu0; will fit there, after run 3fa9c1 in 12 min"
    )


def test_a_run_behind_a_reservation_is_told_for_whom_the_room_is_kept() -> None:
    large, small = demand(19_000, "aaaaaaaa", expected_s=9000.0), demand(6_000, "bbbbbbbb", expected_s=3600.0)
    reasons = Reasons(full(large, small))
    assert reasons.kept_for is large
    assert reasons.why(small) == (
        "needs 5.9 GiB; 7.6 GiB on gpu0 are kept for run aaaaaa before it, which starts in 12 min"
    )
    assert reasons.in_the_way(reasons.board.places["GPU-0"], small) == "kept for run aaaaaa"


def test_a_run_that_fits_nowhere_ever_is_told_the_largest_device() -> None:
    waiting = demand(30_000)
    assert Reasons(full(waiting)).why(waiting) == "needs 30000 MiB; the largest device, gpu0, can give 19744 MiB"


def test_a_run_is_told_why_the_only_device_is_closed() -> None:
    waiting = demand(1_000)
    closed = full(waiting, trouble="it has fallen off the bus")
    assert Reasons(closed).why(waiting) == "needs 1.0 GiB; gpu0: it has fallen off the bus"


def test_without_a_device_a_run_waits_for_one() -> None:
    waiting = demand(1_000)
    assert Reasons(Observation((), (), (SweepView("s"),), (waiting,))).why(waiting) == "no device is known"


def test_reasons_place_the_runs_that_a_decision_places() -> None:
    observation = full(demand(5_000, "a", "b", "c"), demand(1_000, "d", "e", sweep="t"))
    placed = Reasons(observation).placed
    starts = [action for action in decide(observation) if type(action).__name__ == "Start"]
    assert len(placed) == len(starts)


@pytest.mark.parametrize(
    ("learned", "need_mib", "words"),
    [
        (Learned(), 1300, "predicted ×1.3"),
        (Learned(), 1200, "predicted ×1.3, at most a whole device"),
        (Learned(), 1560, "predicted ×1.3 ×1.2"),
        (Learned(provisional_mib=1200), 1320, "learned from a run under way"),
        (Learned(provisional_mib=100), 1300, "predicted ×1.3"),
        (Learned(peak_mib=1000, finished=3), 1104, "learned from 3 finished"),
        (Learned(floor_mib=1875, ooms=1), 1875, "after 1 out-of-memory"),
    ],
)
def test_a_cap_tells_where_it_comes_from(learned: Learned, need_mib: int, words: str) -> None:
    group = Group(name="g", signature="x", footprint_mib=1000, gpu_footprint_mib=1000)
    assert cap_from(group, "H100", learned, need_mib) == words


def test_a_cap_from_a_prediction_tells_what_predictions_have_needed() -> None:
    group = Group(name="g", signature="x", footprint_mib=1000, gpu_footprint_mib=1000)
    assert cap_from(group, "H100", Learned(), 1148, 1.148) == "predicted ×1.15"


def test_a_cap_that_a_person_has_set_says_so() -> None:
    group = Group(name="g", signature="x", footprint_mib=1000, gpu_footprint_mib=1000, fixed=True)
    assert cap_from(group, "H100", Learned(peak_mib=10, finished=1), 1000) == "set by a person"


def test_hindsight_sees_what_the_balancer_saw(daemon: Daemon, launcher: FakeLauncher) -> None:
    daemon.probe = TWO_GPUS
    submit(daemon.ledger, "a", "b", "c", "d", "e", "f", "g")
    steps(daemon)
    for ghost in launcher.ghosts.values():
        ghost.ready()
    steps(daemon)
    daemon.observer.refresh({run.run_id: run for run in daemon.ledger.runs("s") if run.token})
    (now, _), seen = daemon.observer.look(daemon.leases.workers(), daemon._world), snapshot_of(daemon)
    recalled = Hindsight(daemon.ledger, seen).recall()
    assert recalled.devices == now.devices
    assert [replace(one, idle_s=0.0) for one in now.workers] == [replace(one, idle_s=0.0) for one in recalled.workers]
    assert [one.run_ids for one in recalled.demands] == [one.run_ids for one in now.demands]


def test_a_queued_run_is_explained_device_by_device_also_when_the_balancer_is_down(
    daemon: Daemon, launcher: FakeLauncher
) -> None:
    daemon.probe = TWO_GPUS
    daemon.ledger.submit("s", [run_spec(name, footprint_mib=5000) for name in "abcd"], sweep_fields())
    steps(daemon)
    assert len(launcher.ghosts) == 1
    old = json.loads(daemon.ledger.redis.get(SNAPSHOT)) | {"at": time.time() - 600}
    daemon.ledger.redis.set(SNAPSHOT, json.dumps(old))
    answer = inquire(daemon.ledger, "d")
    assert not answer["up"]
    assert answer["queue"]["runs_before"] == answer["queue"]["like_it_before"] == 3
    assert {row["name"]: row["predicted_mib"] for row in answer["queue"]["devices"]} == {"gpu0": 5000, "gpu1": 5000}
    assert all(row["headroom_mib"] < row["lease_mib"] and row["why"] for row in answer["queue"]["devices"])
    assert "The balancer is down since" in render_answer(answer)
    assert "gpu1" in render_answer(answer)


def test_every_key_of_an_explanation_is_documented(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a", "b")
    under_way(daemon, launcher)
    waiting, doing = inquire(daemon.ledger, "b"), inquire(daemon.ledger, "a")
    assert set(waiting) == set(doing) == documented("explain")
    assert set(waiting["queue"]) == documented("explain: queue")
    assert set(waiting["queue"]["devices"][0]) == documented("explain: queue: devices")
    assert set(doing["under_way"]) == documented("explain: under_way")


def test_a_reservation_is_explained_with_its_keys(daemon: Daemon, launcher: FakeLauncher) -> None:
    daemon.probe = FakeProbe((replace(TWO_GPUS.devices[0], slots=4),))
    daemon.ledger.submit("s", [run_spec(name, footprint_mib=4500) for name in "ab"], sweep_fields())
    ghost, run = under_way(daemon, launcher)
    ghost.say(ReportKind.PROGRESS, "a", run.token, epoch=1, epochs=3, peak_mib=4000, steps_per_s=2.0, metrics=METRICS)
    steps(daemon)
    reservation = inquire(daemon.ledger, "b")["queue"]["reservation"]
    assert set(reservation) == documented("explain: queue: reservation")
    assert (reservation["name"], reservation["after_run"]) == ("gpu0", "a")
    assert re.search(r"will fit on gpu0, after run a in \d+", render_answer(inquire(daemon.ledger, "b")))


def test_a_run_under_way_shows_predicted_learned_and_measured_memory(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    ghost, run = under_way(daemon, launcher)
    ghost.say(ReportKind.PROGRESS, "a", run.token, epoch=1, epochs=3, peak_mib=700, metrics={"val_loss": 0.1})
    steps(daemon)
    doing = inquire(daemon.ledger, "slug-a")["under_way"]
    assert (doing["predicted_mib"], doing["learned_mib"], doing["peak_mib"]) == (1000, 700, 700)
    assert (doing["worker"], doing["name"], doing["epoch"]) == (ghost.worker.worker_id, "cpu", 1)


def test_a_run_that_waits_after_a_failure_says_until_when(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    ghost, run = under_way(daemon, launcher)
    ghost.say(ReportKind.FAILED, "a", run.token, failure=FailureClass.OOM, signature="oom", message="too small")
    steps(daemon)
    daemon.ledger.note({"a": {"not_before": time.time() + 100}})
    queue = inquire(daemon.ledger, "a")["queue"]
    assert queue["runs_before"] is None
    assert queue["retry_at"] > time.time()
    assert queue["why"] == "it has failed, and is tried again in 2 min: too small"
    assert queue["devices"][0]["cap_from"] == "after 1 out-of-memory"


def test_a_run_of_a_paused_sweep_is_told_so_and_still_what_it_needs(daemon: Daemon) -> None:
    submit(daemon.ledger, "a")
    daemon.ledger.mark_sweep("s", paused="by a person")
    steps(daemon)
    queue = inquire(daemon.ledger, "a")["queue"]
    assert queue["why"] == "its sweep is paused: by a person"
    assert queue["devices"][0]["cap_mib"] == 1300


def test_a_run_that_is_over_says_how_it_ended(daemon: Daemon, launcher: FakeLauncher) -> None:
    submit(daemon.ledger, "a")
    ghost, run = under_way(daemon, launcher)
    ghost.say(ReportKind.FINISHED, "a", run.token, metrics={"val_f1": 0.9}, mlflow_run_id="m1", peak_mib=800)
    daemon.step(0)
    answer = inquire(daemon.ledger, "a")
    assert (answer["state"], answer["queue"], answer["under_way"]) == (RunState.FINISHED, None, None)
    assert "val_f1 0.9" in render_answer(answer)


def test_a_run_can_be_explained_where_no_balancer_has_ever_run(daemon: Daemon) -> None:
    submit(daemon.ledger, "a")
    answer = inquire(daemon.ledger, "a")
    assert (answer["queue"]["why"], answer["queue"]["devices"]) == ("no device is known", [])
    assert "has never run here" in render_answer(answer)


def test_a_device_that_was_opened_since_the_balancer_went_down_counts_as_open(daemon: Daemon) -> None:
    daemon.probe = TWO_GPUS
    submit(daemon.ledger, "a")
    closures = daemon.observer.closures
    closures.drain("GPU-0", release=False)
    daemon.ledger.redis.hset("hdsmlm:quarantine", "GPU-1", "3 losses in a row")
    steps(daemon)
    assert {row["why"] for row in inquire(daemon.ledger, "a")["queue"]["devices"]} == {
        "it is drained",
        "quarantined after 3 losses in a row",
    }
    closures.resume("GPU-1")
    assert inquire(daemon.ledger, "a")["queue"]["why"] == "it gets a place on gpu1 next"


def test_a_run_that_nobody_knows_is_refused(daemon: Daemon) -> None:
    with pytest.raises(UnknownNameError):
        inquire(daemon.ledger, "zzz")


def snapshot_of(daemon: Daemon) -> Mapping[str, Any]:
    return judged(daemon.ledger.redis.get(SNAPSHOT))
