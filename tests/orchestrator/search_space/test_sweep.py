from __future__ import annotations

import hashlib
import itertools
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.config import resolve
from model.footprint import footprint_mib
from orchestrator.errors import InputError
from orchestrator.search_space.grammar import SearchSpace
from orchestrator.search_space.inputs import Demand, InputFiles
from orchestrator.search_space.sweep import plan, run_id, runs
from orchestrator.search_space.text_source import read_source
from tests.orchestrator.search_space.spaces import sections, space
from worker.spec import Goal, RunSpec

GOLDEN: dict[str, tuple[dict[str, Any], str]] = {
    "05b504874387e25a": ({}, '{"data":null,"fields":{},"schema":1,"sweep":"wolf"}'),
    "adf8352f6dd71f0e": (
        {"model.depth": 4, "optimizer.learning_rate": 3e-4, "training.seed": 11},
        '{"data":null,"fields":{"model.depth":4,"optimizer.learning_rate":0.0003,"training.seed":11},'
        '"schema":1,"sweep":"wolf"}',
    ),
    "aaf243325661a855": (
        {"optimizer.name": "sgd", "optimizer.momentum": 0.99, "loss.fn_weight": 0.7, "training.seed": 2**53 - 1},
        '{"data":null,"fields":{"loss.fn_weight":0.7,"optimizer.momentum":0.99,"optimizer.name":"sgd",'
        '"training.seed":9007199254740991},"schema":1,"sweep":"wolf"}',
    ),
    "deb3dc01cc93596f": (
        {"data.source": "mixed", "data.movie": "m", "data.table": "t", "data.mix": 0.25, "data.pixel_nm": 133},
        '{"data":"sha","fields":{"data.mix":0.25,"data.pixel_nm":133,"data.source":"mixed"},"schema":1,"sweep":"wolf"}',
    ),
}
"""Ids that were given out; if one of them changes, an upgrade retrains everything."""

REAL: dict[str, Any] = {"data.source": "experimental", "data.movie": "/a/movie.tif", "data.table": "/a/table.csv"}
AXES: dict[str, Any] = {
    "parameters": {
        "model.depth": {"values": [1, 2]},
        "optimizer.name": {"values": ["adam", "sgd"]},
        "optimizer.momentum": {"values": [0.5], "when": {"optimizer.name": "sgd"}},
    },
    "replicates": {"seeds": [11, 23]},
}


def made(**sections: Any) -> list[RunSpec]:
    return list(runs(space(**sections), {}))


def order_of(found: list[RunSpec]) -> list[tuple[int, int]]:
    return [(run.cell, run.seed) for run in found]


@pytest.mark.parametrize(("golden", "values", "canonical"), [(name, *given) for name, given in GOLDEN.items()])
def test_a_run_id_stays_what_it_was_when_it_was_given_out(golden: str, values: dict[str, Any], canonical: str) -> None:
    assert run_id("wolf", resolve(values), "sha" if "data.source" in values else None) == golden
    assert hashlib.sha256(canonical.encode()).hexdigest()[:16] == golden


def test_a_run_id_tells_sweeps_values_and_contents_apart() -> None:
    plain, deeper = resolve({}), resolve({"model.depth": 4})
    ids = {run_id("a", plain), run_id("b", plain), run_id("a", deeper)}
    ids |= {run_id("a", resolve(REAL), digest) for digest in ("1", "2")}
    assert len(ids) == 5


def test_a_run_id_knows_neither_paths_nor_defaults_nor_the_spelling_of_numbers() -> None:
    elsewhere = {**REAL, "data.movie": "/b/film.tif", "data.table": "/b/list.csv"}
    assert run_id("a", resolve(REAL), "1") == run_id("a", resolve(elsewhere), "1")
    assert run_id("a", resolve({"model.depth": 3})) == run_id("a", resolve({}))
    assert run_id("a", resolve({"data.pixel_nm": 133})) == run_id("a", resolve({"data.pixel_nm": 133.0}))


def test_a_preset_and_the_values_that_it_stands_for_are_one_run() -> None:
    spelt = {
        "loss.tversky_share": 0.6,
        "loss.focal_exponent": 2,
        "loss.class_weight_exponent": 0.5,
        "loss.pooling_px": 1,
    }
    assert run_id("a", resolve({"loss.preset": "reference"})) == run_id("a", resolve(spelt))
    assert run_id("a", resolve({"loss.preset": "champion"})) == run_id("a", resolve({}))


def test_a_run_carries_all_that_a_worker_needs() -> None:
    *_, run = made(**AXES, description="x", base={"training.epochs": 2}, policy={"timeout": "90min"})
    assert run.run_id == run_id("s", run.config)
    assert run.slug == f"d2-sgd-s23-{run.run_id[:6]}"
    assert (run.sweep, run.cell, run.seed, run.timeout_s) == ("s", 3, 23, 5400.0)
    assert run.axes == {"model.depth": 2, "optimizer.name": "sgd", "optimizer.momentum": 0.5}
    assert run.config == resolve({**run.axes, "training.epochs": 2, "training.seed": 23})
    assert (run.metric.name, run.metric.goal) == ("val_f1", Goal.MAXIMIZE)
    assert run.footprint_mib == footprint_mib(run.config)
    assert RunSpec.model_validate_json(run.model_dump_json()) == run


def test_gpu_memory_that_is_given_replaces_the_prediction() -> None:
    assert {run.footprint_mib for run in made(**AXES, resources={"gpu_memory": "6GiB"})} == {6144}


def test_seeds_come_last_one_after_the_other_or_shuffled() -> None:
    by_policy = {
        order: order_of(made(**AXES, policy={"order": order})) for order in ("seeds_last", "listed", "shuffled")
    }
    assert by_policy["seeds_last"] == [(cell, seed) for seed in (11, 23) for cell in range(4)]
    assert by_policy["listed"] == [(cell, seed) for cell in range(4) for seed in (11, 23)]
    assert sorted(by_policy["shuffled"]) == by_policy["listed"]
    assert by_policy["shuffled"] not in (by_policy["seeds_last"], by_policy["listed"])


def test_a_shuffled_order_stays_when_the_sweep_grows_and_changes_with_its_name() -> None:
    shuffled = {**AXES, "policy": {"order": "shuffled"}}
    few = [run.run_id for run in made(**shuffled)]
    more = [run.run_id for run in made(**{**shuffled, "replicates": {"seeds": [11, 23, 42]}})]
    assert [name for name in more if name in few] == few
    assert order_of(made(**shuffled, name="t")) != order_of(made(**shuffled))


def test_without_replicates_the_seed_is_that_of_base_or_the_default() -> None:
    assert [run.seed for run in made(base={"training.seed": 5})] == [5]
    assert [run.config.training.seed for run in made(base={"training.seed": 5})] == [5]
    assert [run.seed for run in made()] == [0]


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(sections(), st.randoms(use_true_random=False))
def test_runs_are_unique_and_do_not_depend_on_the_order_of_keys(written: dict[str, Any], rng: random.Random) -> None:
    def shuffled(mapping: dict[str, Any]) -> dict[str, Any]:
        return dict(rng.sample(sorted(mapping.items(), key=str), len(mapping)))

    found = made(**written)
    assert len({run.run_id for run in found}) == len(found)
    again = {**written, "base": shuffled(written["base"]), "exclude": list(map(shuffled, written["exclude"]))}
    assert made(**shuffled(again)) == found


def test_the_order_of_the_axes_orders_the_cells_and_changes_no_id() -> None:
    axes = {"model.depth": {"values": [1, 2]}, "model.frames": {"values": [3, 5]}}
    found, turned = made(parameters=axes), made(parameters=dict(reversed(axes.items())))
    assert [run.run_id for run in turned] == [found[index].run_id for index in (0, 2, 1, 3)]


def network_file(path: Path, content: bytes) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo("model.weights.h5"), content)
    return str(path)


def test_a_parent_network_counts_by_its_content_and_an_mlflow_run_by_its_id(tmp_path: Path) -> None:
    for name, content in (("a", b"1"), ("b", b"2")):
        network_file(tmp_path / f"{name}.keras", content)
    parents = {"training.init_from": {"values": ["a.keras", "b.keras", "runs:/0af3"]}}
    plain, *found = (run for parameters in ({}, parents) for run in runs(in_folder(tmp_path, parameters), {}))
    assert len({plain.run_id, *(run.run_id for run in found)}) == 4
    expected = [str(tmp_path / "a.keras"), str(tmp_path / "b.keras"), "runs:/0af3"]
    assert [run.config.training.init_from for run in found] == expected
    moved = tmp_path / "moved"
    moved.mkdir()
    for name in "ab":
        (tmp_path / f"{name}.keras").rename(moved / f"{name}.keras")
    assert [run.run_id for run in runs(in_folder(moved, parents), {})] == [run.run_id for run in found]


@pytest.mark.parametrize(("content", "complaint"), [(None, "does not exist"), (b"text", "is no archive of Keras")])
def test_a_parent_that_is_no_network_is_refused(tmp_path: Path, content: bytes | None, complaint: str) -> None:
    if content:
        (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.keras {complaint}; give the model\.keras of a finished training"):
        list(runs(in_folder(tmp_path, {"training.init_from": {"value": "a.keras"}}), {}))


def in_folder(folder: Path, parameters: dict[str, Any]) -> SearchSpace:
    return space(parameters=parameters).in_folder(folder)


SPACE = """
name: real
metric: {name: val_f1}
base: {data.movie: data/movie.tif, data.table: data/table.csv, data.pixel_nm: 133}
parameters:
  data.source: {values: [simulated, experimental, mixed]}
  model.frames: {values: [3, 5]}
  data.mix: {values: [0.25, 0.75], when: {data.source: mixed}}
"""


def planned(folder: Path, text: str = SPACE) -> tuple[list[tuple[Demand, int]], tuple[RunSpec, ...]]:
    asked: list[tuple[Demand, int]] = []

    def check(demand: Demand, frames: int) -> str:
        asked.append((demand, frames))
        return "sha"

    folder.mkdir(exist_ok=True)
    file = folder / "space.yaml"
    file.write_text(text)
    return asked, plan(read_source(file), check).runs


def test_input_files_are_found_beside_the_yaml_and_checked_once_for_the_most_frames(tmp_path: Path) -> None:
    asked, found = planned(tmp_path)
    files = InputFiles(str(tmp_path / "data/movie.tif"), str(tmp_path / "data/table.csv"))
    assert asked == [(Demand(files, 133.0, 0.2), 5)]
    read = [run for run in found if run.config.data.source != "simulated"]
    assert len(read) == 6
    assert {(run.config.data.movie, run.config.data.table) for run in read} == {files}


def test_a_moved_search_space_keeps_its_run_ids(tmp_path: Path) -> None:
    (_, here), (_, there) = planned(tmp_path / "here"), planned(tmp_path / "there")
    assert [run.run_id for run in here] == [run.run_id for run in there]
    assert here[-1].config.data.movie != there[-1].config.data.movie


def test_a_simulated_cell_reads_no_files(tmp_path: Path) -> None:
    _, found = planned(tmp_path)
    simulated = [run for run in found if run.config.data.source == "simulated"]
    assert [run.config.data.movie for run in simulated] == [None, None]


def test_two_movies_of_the_same_content_are_refused(tmp_path: Path) -> None:
    text = SPACE.replace("data.movie: data/movie.tif, ", "").replace("[simulated, ", "[")
    with pytest.raises(InputError, match="have the same contents, so their runs would be the same; keep one"):
        planned(tmp_path, f"{text}  data.movie: {{values: [a.tif, b.tif]}}\n")


def test_a_plan_accounts_for_its_runs(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text("name: a\nmetric: {name: val_f1}\nparameters:\n  model.depth: {values: [1, 2]}\n")
    made = plan(read_source(file))
    assert (made.space.name, made.accounting.runs, len(made.runs)) == ("a", 2, 2)
    assert len(set(itertools.chain(run.slug for run in made.runs))) == 2
