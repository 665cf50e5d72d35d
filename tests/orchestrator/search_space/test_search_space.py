from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from model.config import field_paths
from orchestrator.search_space.grid import account, expand
from orchestrator.search_space.loading import json_schema, load
from orchestrator.search_space.text_source import read_source

SHIPPED = Path(__file__).parents[3] / "search_spaces"
DESIGN = """
name: wolf                                   # the sweep; submitting the name again extends it
description: simulated data, three densities
base: {data.source: simulated, training.epochs: 60}      # fixed values, dotted paths into TrainConfig
metric: {name: val_f1, goal: maximize}
parameters:
  model.depth:             {values: [3, 4]}
  model.frames:            {values: [3, 5]}
  model.base_filters:      {values: [32, 64]}
  optimizer.name:          {values: [adam, sgd]}
  optimizer.learning_rate: {logspace: {start: 1e-4, stop: 1e-2, num: 3}}
  optimizer.momentum:      {values: [0.9, 0.99], when: {optimizer.name: sgd}}
  loss.fn_weight:          {linspace: {start: 0.5, stop: 0.8, num: 4}}
zip:                                         # axes that move together
  - {data.patch_px: [32, 48, 64], training.batch_size: [32, 16, 8]}
replicates: {param: training.seed, seeds: [11, 23, 42]}
exclude:                                     # a cell that matches every entry of a rule is left out
  - {model.depth: 4, data.patch_px: 32}
  - {expr: "model.base_filters >= 64 and data.patch_px >= 64"}
include:                                     # cells beside the grid
  - {model.depth: 5, model.frames: 3, model.base_filters: 32, optimizer.name: adam,
     optimizer.learning_rate: 3e-4, data.patch_px: 64, training.batch_size: 8}
resources: {gpu_memory: auto, exclusive: false}
policy:
  priority: 50
  order: seeds_last
  timeout: 6h
  retries: {infra: 5, oom: 2, timeout: 1, user: 0}
  pause_after: {same_failure: 3, failed_fraction: 0.2}
limits: {max_runs: 2000}
"""


def test_a_search_space_with_every_key_is_read_and_counted(tmp_path: Path) -> None:
    file = tmp_path / "wolf.yaml"
    file.write_text(DESIGN)
    space = load(read_source(file))
    counted = account(space)
    assert (counted.raw, counted.excluded, counted.included, counted.runs) == (864, (144, 144), 1, 1731)
    assert space.folder == tmp_path
    assert (space.seeds, space.policy.timeout_s, space.resources.gpu_memory_mib) == ((11, 23, 42), 21_600.0, None)


def test_the_shortest_search_space_is_a_name_and_a_metric(tmp_path: Path) -> None:
    file = tmp_path / "one.yaml"
    file.write_text("name: one\nmetric: {name: val_loss}\n")
    assert [dict(cell.values) for cell in expand(load(read_source(file)))] == [{}]


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_shipped_search_space_can_be_trained_and_names_its_schema(file: Path) -> None:
    space = load(read_source(file))
    assert space.name == file.stem
    assert 0 < account(space).runs <= 2000
    assert file.read_text().startswith("# yaml-language-server: $schema=schema.json\n")


def test_the_shipped_schema_is_the_grammars() -> None:
    assert json.loads((SHIPPED / "schema.json").read_text()) == json_schema(), (
        "the grammar has changed; write the schema anew: orchestrator schema > search_spaces/schema.json"
    )


def test_the_schema_offers_every_hyperparameter_wherever_one_can_stand() -> None:
    schema = json_schema()
    top, axis = schema["properties"], schema["$defs"]["Axis"]
    paths = set(field_paths())
    for mapping in (top["base"], top["parameters"], top["zip"]["items"], top["include"]["items"]):
        assert set(mapping["properties"]) == paths
        assert mapping["additionalProperties"] is False
    for rule in (top["exclude"]["items"], axis["properties"]["when"]["anyOf"][0]):
        assert paths <= set(rule["properties"])
    assert schema["$defs"]["model.depth"]["maximum"] == 6
    assert "halved" in top["parameters"]["properties"]["model.depth"]["description"]


def test_every_reference_in_the_schema_leads_somewhere() -> None:
    schema = json_schema()
    assert {reference.removeprefix("#/$defs/") for reference in references(schema)} <= set(schema["$defs"])


def references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if "$ref" in node else []
        return own + [found for value in node.values() for found in references(value)]
    return [found for item in node for found in references(item)] if isinstance(node, list) else []
