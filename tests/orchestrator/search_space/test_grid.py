from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from orchestrator.search_space.grid import Cell, account, config_of, expand, raw_cells
from orchestrator.search_space.product import MAX_STEPS, GridSizeError
from tests.orchestrator.search_space.spaces import sections, space

SURVEY: dict[str, Any] = {
    "parameters": {
        "model.depth": {"values": [3, 4]},
        "model.base_filters": {"values": [16, 32, 64]},
        "optimizer.name": {"values": ["adam", "sgd"]},
        "optimizer.learning_rate": {"logspace": {"start": 1e-4, "stop": 1e-2, "num": 3}},
        "optimizer.momentum": {"values": [0.9, 0.99], "when": {"optimizer.name": "sgd"}},
        "training.batch_size": {"values": [2, 4]},
        "training.epochs": {"value": 200},
    },
    "zip": [{"data.patch_px": [32, 48, 64], "evaluation.size_px": [64, 96, 128]}],
    "replicates": {"param": "training.seed", "seeds": [11, 23, 42]},
    "exclude": [
        {"model.depth": 4, "data.patch_px": 32},
        {"expr": "model.base_filters >= 64 and data.patch_px >= 64"},
    ],
    "include": [{"model.depth": 5, "model.base_filters": 16, "data.patch_px": 48}],
}


def cells(**sections: Any) -> list[dict[str, Any]]:
    return [dict(cell.values) for cell in expand(space(**sections))]


def test_the_example_of_the_grammar_counts_972_less_162_less_108_and_3() -> None:
    counted = account(space(**SURVEY))
    per_run = [counted.raw, *counted.excluded, counted.included]
    assert [count * counted.seeds for count in per_run] == [972, 162, 108, 3]
    assert counted.runs == 705


def test_the_lines_of_the_account_tell_every_axis_and_every_rule() -> None:
    assert list(account(space(**SURVEY)).lines()) == [
        "        2  values of model.depth",
        "        3  values of model.base_filters",
        "        2  values of optimizer.name",
        "        3  values of optimizer.learning_rate",
        "        2  values of optimizer.momentum",
        "        2  values of training.batch_size",
        "        1  value of training.epochs",
        "        3  values of data.patch_px, evaluation.size_px",
        "      324  cells in their product, without axes whose condition does not hold",
        "      -54  by exclude rule 1",
        "      -36  by exclude rule 2",
        "       +1  by include",
        "      235  cells",
        "      705  runs, 3 of every cell",
    ]


def test_the_first_axis_varies_slowest_and_groups_come_after_the_parameters() -> None:
    made = cells(
        zip=[{"data.patch_px": [32, 64], "training.batch_size": [8, 2]}],
        parameters={"model.frames": {"values": [5, 3]}, "model.depth": {"values": [1, 2]}},
    )
    assert [tuple(cell.values()) for cell in made] == [
        *[(5, 1, 32, 8), (5, 1, 64, 2), (5, 2, 32, 8), (5, 2, 64, 2)],
        *[(3, 1, 32, 8), (3, 1, 64, 2), (3, 2, 32, 8), (3, 2, 64, 2)],
    ]
    assert list(made[0]) == ["model.frames", "model.depth", "data.patch_px", "training.batch_size"]


def test_an_axis_whose_condition_does_not_hold_is_left_out_and_equal_cells_come_once() -> None:
    made = cells(
        parameters={
            "optimizer.momentum": {"values": [0.5, 0.9], "when": {"optimizer.name": "sgd"}},
            "optimizer.name": {"values": ["adam", "sgd"]},
        }
    )
    assert made == [
        {"optimizer.name": "adam"},
        {"optimizer.momentum": 0.5, "optimizer.name": "sgd"},
        {"optimizer.momentum": 0.9, "optimizer.name": "sgd"},
    ]


def test_a_condition_may_name_a_group_and_base() -> None:
    conditional = {"values": [0.5, 0.9], "when": {"optimizer.name": ["sgd"], "model.depth": [2, 3]}}
    group = {"optimizer.name": ["adam", "sgd"], "optimizer.learning_rate": [1e-3, 1e-1]}
    axes = {"optimizer.momentum": conditional}
    assert len(cells(base={"model.depth": 3}, parameters=axes, zip=[group])) == 3
    assert len(cells(base={"model.depth": 4}, parameters=axes, zip=[group])) == 2


def test_a_condition_on_an_axis_that_is_left_out_does_not_hold() -> None:
    made = cells(
        parameters={
            "optimizer.name": {"values": ["adam", "sgd"]},
            "optimizer.momentum": {"values": [0.9, 0.99], "when": {"optimizer.name": "sgd"}},
            "model.frames": {"values": [3, 5], "when": {"optimizer.momentum": 0.9}},
        }
    )
    assert [tuple(cell.values()) for cell in made] == [("adam",), ("sgd", 0.9, 3), ("sgd", 0.9, 5), ("sgd", 0.99)]


def test_a_rule_leaves_cells_alone_that_lack_what_it_names() -> None:
    axes = {
        "optimizer.name": {"values": ["adam", "sgd"]},
        "optimizer.momentum": {"values": [0.9, 0.99], "when": {"optimizer.name": "sgd"}},
    }
    for rule in ({"optimizer.momentum": [0.9, 0.99]}, {"expr": "optimizer.momentum < 1 or optimizer.name == 'adam'"}):
        assert cells(parameters=axes, exclude=[rule]) == [{"optimizer.name": "adam"}]


def test_a_cell_counts_for_the_first_rule_that_it_matches() -> None:
    axes = {"model.depth": {"values": [1, 2, 3]}}
    rules = [{"model.depth": [1, 2]}, {"expr": "model.depth >= 2"}]
    assert account(space(parameters=axes, exclude=rules)).excluded == (2, 1)


def test_every_entry_of_a_rule_must_hold() -> None:
    axes = {"model.depth": {"values": [1, 2]}, "model.frames": {"values": [3, 5]}}
    made = cells(parameters=axes, exclude=[{"model.depth": 1, "expr": "model.frames > 3"}])
    assert [tuple(cell.values()) for cell in made] == [(1, 3), (2, 3), (2, 5)]


def test_included_cells_come_last_and_escape_the_rules() -> None:
    made = expand(
        space(
            parameters={"model.depth": {"values": [1, 2]}}, exclude=[{"model.depth": 1}], include=[{"model.depth": 1}]
        )
    )
    assert list(made) == [Cell(0, {"model.depth": 2}), Cell(1, {"model.depth": 1})]


def test_a_space_without_axes_is_the_one_cell_that_base_describes() -> None:
    assert cells(base={"model.depth": 2}) == [{}]


def test_a_config_takes_the_cell_over_base_over_the_defaults() -> None:
    made = space(base={"model.depth": 2, "model.frames": 5}, include=[{"model.depth": 1}])
    cell = list(expand(made))[-1]
    config = config_of(made, cell, seed=7)
    assert (config.model.depth, config.model.frames, config.training.epochs, config.training.seed) == (1, 5, 30, 7)


def test_a_grid_that_no_condition_can_shrink_is_refused_before_its_first_cell() -> None:
    thousand = {"linspace": {"start": 0.1, "stop": 0.9, "num": 1000}}
    paths = ["loss.fn_weight", "loss.tversky_share", "schedule.gamma", "model.dropout"]
    with pytest.raises(GridSizeError, match="1,000,000,000,000 cells"):
        raw_cells(space(parameters=dict.fromkeys(paths, thousand)))


def test_a_grid_that_hides_its_size_behind_conditions_is_refused_after_bounded_work() -> None:
    thousand = {"linspace": {"start": 0.1, "stop": 0.9, "num": 1000}, "when": {"optimizer.name": "sgd"}}
    paths = ["loss.fn_weight", "loss.tversky_share", "schedule.gamma", "model.dropout"]
    last = {"optimizer.name": {"values": ["adam", "sgd"]}}
    walked = raw_cells(space(parameters=dict.fromkeys(paths, thousand) | last))
    with pytest.raises(GridSizeError, match="too many cells before the rules"):
        for _ in itertools.islice(walked, MAX_STEPS):
            pass


def brute_force(written: dict[str, Any]) -> tuple[list[dict[str, Any]], list[int]]:
    """The cells and each rule's count, by the definition: the whole product, then conditions, then rules."""
    parameters, (group,) = written["parameters"], written["zip"]
    rows = [[{path: value} for value in axis["values"]] for path, axis in parameters.items()]
    rows.append([dict(zip(group, values, strict=True)) for values in zip(*group.values(), strict=True)])
    unique: list[dict[str, Any]] = []
    for combination in itertools.product(*rows):
        values = {path: value for row in combination for path, value in row.items()}
        for path, axis in parameters.items():
            there = {**written["base"], **values}
            if not all(
                other in there and there[other] in as_list(want) for other, want in axis.get("when", {}).items()
            ):
                del values[path]
        if values not in unique:
            unique.append(values)
    counts = [0] * len(written["exclude"])
    kept = []
    for values in unique:
        there = {**written["base"], **values}
        matching = [
            index
            for index, rule in enumerate(written["exclude"])
            if all(path in there and there[path] in as_list(want) for path, want in rule.items())
        ]
        if matching:
            counts[matching[0]] += 1
        else:
            kept.append(values)
    return kept, counts


def as_list(wanted: Any) -> list[Any]:
    return wanted if isinstance(wanted, list) else [wanted]


@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(sections())
def test_cells_their_order_and_the_counts_of_rules_are_those_of_brute_force(written: dict[str, Any]) -> None:
    made = space(**written)
    kept, counts = brute_force(written)
    assert [dict(cell.values) for cell in expand(made)] == kept
    counted = account(made)
    assert (counted.cells, list(counted.excluded)) == (len(kept), counts)
    assert counted.runs == len(kept) * len(written["replicates"]["seeds"])
