from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from orchestrator.balancer.decision.observation import Observation, WorkerView
from orchestrator.balancer.simulator import ABLATIONS, picture, play, render, simulate
from orchestrator.balancer.simulator.ablations import NoLedger
from orchestrator.balancer.simulator.attempts import Ending
from orchestrator.balancer.simulator.drawing import draw
from orchestrator.balancer.simulator.files import read_fleet, read_workload
from orchestrator.balancer.simulator.scenario import Scenario
from orchestrator.errors import InputError, SearchSpaceError, UnknownNameError
from orchestrator.records import WorkerState
from tests.orchestrator.balancer.simulator.worlds import fleet, group, scenario

BENCHMARKS = Path(__file__).parents[4] / "benchmarks" / "balancer"
FLEET = """
gpus:
  - {count: 2, model: NVIDIA GeForce RTX 4090, memory_mib: 24564}
"""
WORKLOAD = """
groups:
  - {name: small, signatures: 2, runs: 5, peak_mib: {least: 2000, most: 6000}, load: 0.3,
     duration_s: {median: 200, sigma: 0.3}}
  - {name: large, runs: 3, peak_mib: 12000, load: 0.6, duration_s: 400}
failures: {user: 0.05}
"""
SPACE = """
name: tiny
metric: {name: val_f1}
base: {training.epochs: 5, training.steps_per_epoch: 20}
parameters:
  model.base_filters: {values: [4, 8]}
replicates: {seeds: [11, 23]}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    (tmp_path / "fleet.yaml").write_text(FLEET)
    (tmp_path / "workload.yaml").write_text(WORKLOAD)
    return tmp_path / "fleet.yaml", tmp_path / "workload.yaml"


def test_a_small_workload_is_simulated_from_its_files_to_its_picture(files: tuple[Path, Path]) -> None:
    result = simulate(*files, seed=4)
    assert (result.runs, result.given_up, result.endings.get(Ending.NEIGHBOUR_OOM, 0)) == (13, 0, 0)
    assert 1.0 <= result.ratio < 3.0
    text = render(result)
    assert "× the lower bound" in text
    assert "neighbour 0" in text
    assert "GPU-1" in text
    rectangles = ElementTree.fromstring(picture(result)).iter("{http://www.w3.org/2000/svg}rect")
    assert len(list(rectangles)) == 1 + 2 + len(result.spans)
    assert json.loads(json.dumps(result.as_json()))["ooms"]["neighbour"] == 0


def test_a_timeline_is_as_wide_as_it_may_be(files: tuple[Path, Path]) -> None:
    result = simulate(*files, seed=4)
    timelines = [
        [line for line in render(result, width).splitlines() if line.startswith("   GPU-")] for width in (60, 140)
    ]
    assert [{len(line) for line in timeline} for timeline in timelines] == [{60}, {140}]


def test_the_picture_shows_what_foreigners_held(files: tuple[Path, Path]) -> None:
    files[1].write_text(WORKLOAD + "foreigners: [{gpus: [1], kind: constant, mib: 12282}]\n")
    paths = list(ElementTree.fromstring(picture(simulate(*files, seed=4))).iter("{http://www.w3.org/2000/svg}path"))
    assert len(paths) == 1
    assert paths[0].attrib["d"] == "M64,122V122.0H64.0V158.0H1264.0V122Z"


def test_one_seed_gives_one_result_whenever_it_is_simulated(files: tuple[Path, Path]) -> None:
    assert simulate(*files, seed=7) == simulate(*files, seed=7)
    assert simulate(*files, seed=7).spans != simulate(*files, seed=8).spans


def test_every_policy_is_given_the_same_runs(files: tuple[Path, Path]) -> None:
    ours, others = simulate(*files, seed=1), simulate(*files, seed=1, policy="one")
    assert ours.bounds == others.bounds


def test_a_search_space_can_be_simulated(tmp_path: Path, files: tuple[Path, Path]) -> None:
    (tmp_path / "tiny.yaml").write_text(SPACE)
    files[1].write_text("search_space: tiny.yaml\ngflop_per_s: 10\n")
    result = simulate(*files, seed=0)
    assert (result.runs, result.given_up) == (4, 0)
    assert len({span.signature for span in result.spans}) == 2


def test_a_policy_that_does_not_exist_is_refused_with_those_that_do(files: tuple[Path, Path]) -> None:
    with pytest.raises(UnknownNameError, match="no policy is called '\\?'; there are ours, one, two"):
        simulate(*files, seed=0, policy="?")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("runs: 3", "run: 3", r"workload.yaml:5:19: the key 'run' is unknown; did you mean 'runs'\?"),
        (
            "load: 0.6",
            "load: high",
            r"workload.yaml:5:51: found the text 'high'; expected a number above 0, or a range",
        ),
        ("sigma: 0.3}", "sgma: 0.3}", r"workload.yaml:4:.*the key 'sgma' is unknown; did you mean 'sigma'\?"),
        ("user: 0.05", "user: 5", r"workload.yaml:6:18: found 5; expected at most 1"),
        ("name: large", "name: small", r"two groups are called 'small'; rename one"),
        ("{least: 2000, most: 6000}", "{least: 6000, most: 2000}", r"'most' is 2000, below 'least', which is 6000"),
        ("groups:", "search_space: a.yaml\ngroups:", r"expected either 'groups' or 'search_space'; keep one of them"),
    ],
)
def test_a_mistake_in_a_workload_is_told_with_its_place(
    files: tuple[Path, Path], old: str, new: str, message: str
) -> None:
    files[1].write_text(WORKLOAD.replace(old, new))
    with pytest.raises(SearchSpaceError, match=message):
        simulate(*files, seed=0)


def test_a_mistake_in_a_fleet_is_told_with_its_place(files: tuple[Path, Path]) -> None:
    files[0].write_text(FLEET.replace("memory_mib: 24564", "memory_gib: 24"))
    with pytest.raises(SearchSpaceError, match=r"fleet.yaml:3:48: the key 'memory_gib' is unknown; did you mean"):
        simulate(*files, seed=0)


def test_a_foreigner_on_a_device_that_is_not_there_is_refused(files: tuple[Path, Path]) -> None:
    files[1].write_text(WORKLOAD + "foreigners: [{gpus: [2], kind: constant, mib: 100}]\n")
    with pytest.raises(InputError, match="a foreigner is on device 2, and the fleet has 0 to 1"):
        simulate(*files, seed=0)


@pytest.mark.parametrize("path", sorted(BENCHMARKS.glob("workloads/*.yaml")), ids=lambda path: path.stem)
def test_the_workloads_that_ship_can_be_drawn(path: Path) -> None:
    given = draw(read_fleet(BENCHMARKS / "fleets" / "h100x8.yaml"), read_workload(path), 0)
    assert 300 <= len(given.runs) <= 500


def stressed(seed: int) -> Scenario:
    """The workload for safety with fewer runs of each signature."""
    everything = read_workload(BENCHMARKS / "workloads" / "stress.yaml")
    groups = tuple(group.model_copy(update={"runs": 3}) for group in everything.groups)
    fewer = everything.model_copy(update={"groups": groups})
    return draw(read_fleet(BENCHMARKS / "fleets" / "h100x8_shared.yaml"), fewer, seed)


def test_nobody_runs_out_of_memory_because_of_a_neighbour_on_a_hostile_machine() -> None:
    result = play(stressed(3))
    assert result.gpu_hours > 10
    assert result.endings.get(Ending.NEIGHBOUR_OOM, 0) == 0


def test_without_the_ledger_others_are_believed_to_need_what_they_hold() -> None:
    busy = WorkerView("w1", "s", "GPU-0", 9000, 700, WorkerState.BUSY)
    idle = replace(busy, state=WorkerState.IDLE)
    shown = NoLedger().seen(Observation(devices=(), workers=(busy, idle), sweeps=(), demands=()))
    assert [worker.lease_mib for worker in shown.workers] == [700, 9000]


@pytest.mark.parametrize("policy", ABLATIONS)
def test_each_safeguard_can_be_taken_away_from_outside(policy: str) -> None:
    given = scenario(group(runs=6), on=fleet(gpus=2, attributed=False))
    assert play(given, policy).endings[Ending.FINISHED] == 6
