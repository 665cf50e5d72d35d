"""Every kind of mistake that a person makes in a search space, with the line and the words that must answer it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.errors import Mistake, SearchSpaceError
from orchestrator.search_space.loading import MAX_MISTAKES, load
from orchestrator.search_space.text_source import read_source

FOLDER = Path(__file__).parent / "malformed"

Expected = list[tuple[int, str]]
EXPECTED: dict[str, Expected] = {
    "alias_bomb": [(4, "more than 10,000 values up to here, aliases expanded; shorten the lists")],
    "alias_of_itself": [(3, "the alias *base stands before or inside its anchor; remove it")],
    "axis_given_twice": [(6, "model.depth is set here and in 'parameters'; keep one")],
    "axis_in_base": [(6, "model.depth is set here and in 'base'; keep one")],
    "axis_of_two_kinds": [(4, "found values and value; expected exactly one of values, value, linspace and logspace")],
    "axis_without_values": [(5, "found nothing; expected 'key: value' pairs such as {values: [3, 4]}")],
    "broken_directive": [(1, "not valid YAML: expected a digit, but found 'o'")],
    "calling_expression": [(6, "expr uses Call, which is not allowed; expected comparisons of hyperparameters")],
    "cell_included_twice": [(7, "cell 3 (model.depth 4) trains the same as cell 1 (model.depth 4); remove it")],
    "colon_in_text": [(3, "mapping values are not allowed here; check the indentation, quotes, brackets and colons")],
    "condition_above_its_axis": [(4, "the condition of optimizer.weight_decay needs optimizer.momentum")],
    "condition_that_never_holds": [(7, "this condition holds in no cell, so optimizer.momentum never varies")],
    "contradiction": [(5, "data.patch_px (8) is smaller than 2^model.depth (16)")],
    "duplicate_key": [(6, "the key 'model.depth' stands already on line 4; keep one")],
    "empty_axis": [(5, "found an empty list; expected at least one entry; fill it in or remove the key")],
    "empty_rule": [(6, "found an empty mapping; expected at least one entry")],
    "empty_section": [(5, "found nothing; expected a list")],
    "expression_about_nothing_known": [(6, "there is no hyperparameter 'model.width'; did you mean 'model.depth'?")],
    "generated_value_out_of_bounds": [(4, "optimizer.learning_rate: found 10.0; expected at most 1.0")],
    "grid_beyond_counting": [(3, "1,000,000,000 cells before the rules; at most 50,000 can be looked at; shorten an")],
    "grid_over_max_runs": [
        (8, "4,000 runs; limits.max_runs is 3,000; shorten an axis, the largest are loss.fn_weight (100")
    ],
    "groups_in_base": [(4, "'training' is a group; write one of its fields as a dotted path, such as training.epochs")],
    "half_a_layer": [(4, "model.depth: found 3.5; expected a whole number")],
    "incomparable_expression": [(7, "expr cannot be evaluated where optimizer.name is sgd")],
    "list_for_an_axis": [
        (2, "such as {name: val_f1}"),
        (4, "found a list; expected 'key: value' pairs such as {values"),
    ],
    "list_of_sweeps": [(1, "the file is not a mapping; a search space begins with")],
    "many_mistakes": [
        (1, "found the text 'many mistakes'; expected up to 64 letters"),
        (2, "there is no metric 'val_f2'; did you mean 'val_f1'?"),
        (4, "there is no hyperparameter 'model.dpeth'; did you mean 'model.depth'?"),
        (5, "training.epochs: found 0; expected at least 1"),
        (7, "model.frames: found 2; expected 1, 3 or 5"),
        (8, "optimizer.name: found the text 'adm'; expected 'adam', 'adamw' or 'sgd'; did you mean 'adam'?"),
        (10, "found the text 'soon'; expected a number above 0 with its unit, such as 6h"),
        (11, "found -1; expected at least 0"),
        (12, "the key 'limit' is unknown; did you mean 'limits'?"),
    ],
    "memory_in_gigabytes": [
        (5, "found the text '6GB'; expected a number above 0 with its unit, such as 6GiB, or auto")
    ],
    "name_with_a_slash": [(1, "found the text 'lab/wolf'; expected up to 64 letters, digits")],
    "nested_too_deep": [(3, "nested more than 10 levels deep; a search space is flat")],
    "nothing_required": [(1, "'metric' is missing; add it"), (1, "'name' is missing; add it")],
    "number_for_text": [(1, "found 2024; expected text; put it in quotes")],
    "number_without_end": [(3, "training.seed: found 1.2345678901234568e+29; expected a whole number")],
    "numeric_key": [(3, "the key '3' is not text; put it in quotes or correct it"), (3, "no hyperparameter '3'")],
    "only_comments": [(1, "the file holds only comments; a search space begins with")],
    "python_tag": [
        (3, "expected one value"),
        (3, "apply:os.system is not supported; remove it"),
        (3, "training.epochs: found the text"),
    ],
    "range_upside_down": [(3, "density_min_per_um2 (5) is above density_max_per_um2 (4)")],
    "ranked_by_the_test_set": [
        (2, "'test_f1' cannot rank a sweep, since the test set must not select; use a val_ metric")
    ],
    "real_data_without_files": [(4, "source 'experimental' needs both data.movie and data.table")],
    "rule_about_no_axis": [(6, "model.frames is neither an axis nor in base, so no cell has it")],
    "rule_without_a_cell": [(7, "this rule matches no cell: model.depth is never 5, only 3, 4")],
    "rules_that_leave_nothing": [(5, "the rules leave no cell; remove one")],
    "seed_as_an_axis": [
        (5, "training.seed repeats cells and makes none; write 'replicates: {seeds: [11, 23]}' instead")
    ],
    "seed_given_twice": [
        (5, "training.seed is set here and in 'replicates'"),
        (6, "the seed 1 stands twice; keep one"),
    ],
    "tab": [(4, "not valid YAML: found a tab; indent with spaces")],
    "text_for_a_number": [
        (4, "optimizer.learning_rate: found the text '1e-2'; expected a number; remove the quotes"),
        (4, "optimizer.learning_rate: found the text 'fast'; expected a number"),
    ],
    "timeout_without_a_unit": [(5, "found 3600; expected a number above 0 with its unit, such as 6h")],
    "two_documents": [(5, "a second YAML document begins here; remove the '---'")],
    "typo_in_a_key": [(6, "the key 'priorty' is unknown; did you mean 'priority'?")],
    "typo_in_a_path": [
        (4, "there is no hyperparameter 'model.dpeth'; did you mean 'model.depth'?"),
        (5, "there is no hyperparameter 'optimizer.lr'; did you mean 'optimizer.learning_rate'?"),
    ],
    "typo_in_a_section": [(3, "the key 'paramters' is unknown; did you mean 'parameters'?")],
    "unclosed_bracket": [(4, "not valid YAML: expected ',' or ']', but got '}'; check the indentation")],
    "unfinished_linspace": [(4, "'num' is missing; add it")],
    "unknown_metric": [(2, "there is no metric 'val_f2'; did you mean 'val_f1'?")],
    "unreadable_expression": [
        (6, "expr cannot be read (invalid syntax); expected comparisons of hyperparameters such as")
    ],
    "value_given_twice": [(4, "0.001 stands twice in this axis; keep one")],
    "value_out_of_bounds": [(7, "model.depth: found 40; expected at most 6")],
    "wrong_direction": [(2, "goal is 'maximize', but val_loss is better the other way; write minimize")],
    "yes_for_true": [(5, "found the text 'yes'; expected true or false")],
    "zip_of_no_list": [(4, "found 32; expected a list")],
    "zip_of_unequal_lengths": [(4, "need equally many values; data.patch_px has 2, training.batch_size has 3")],
}


def mistakes(file: Path) -> tuple[Mistake, ...]:
    with pytest.raises(SearchSpaceError) as caught:
        load(read_source(file))
    return caught.value.mistakes


def test_every_malformed_file_has_its_expectation() -> None:
    assert {file.stem for file in FOLDER.glob("*.yaml")} == set(EXPECTED)


@pytest.mark.parametrize(("stem", "expected"), EXPECTED.items(), ids=EXPECTED)
def test_a_malformed_file_is_refused_with_all_its_mistakes(stem: str, expected: Expected) -> None:
    found = mistakes(FOLDER / f"{stem}.yaml")
    assert [mistake.line for mistake in found] == [line for line, _ in expected]
    for mistake, (_, words) in zip(found, expected, strict=True):
        assert words in mistake.message


def test_the_message_begins_with_file_line_and_column() -> None:
    file = FOLDER / "value_out_of_bounds.yaml"
    with pytest.raises(SearchSpaceError, match=f"^{re.escape(str(file))}:7:9: model.depth: found 40; "):
        load(read_source(file))


def test_a_contradiction_is_told_once_with_its_first_cell_and_the_number_of_others() -> None:
    (mistake,) = mistakes(FOLDER / "contradiction.yaml")
    assert "cell 3 (model.frames 3, model.depth 4, data.patch_px 8) and 5 more" in mistake.message


def test_mistakes_beside_the_grid_do_not_hide_those_in_it(tmp_path: Path) -> None:
    text = (FOLDER / "rule_without_a_cell.yaml").read_text() + "policy: {priority: 101}\n"
    file = tmp_path / "two.yaml"
    file.write_text(text.replace("val_f1", "val_f2"))
    assert [mistake.line for mistake in mistakes(file)] == [2, 7, 8]


def written(folder: Path, text: str) -> Path:
    file = folder / "space.yaml"
    file.write_text(f"name: a\nmetric: {{name: val_f1}}\n{text}")
    return file


def test_an_expression_that_fails_in_a_later_cell_is_refused_too(tmp_path: Path) -> None:
    rule = 'exclude: [{expr: "1 / (model.depth - 2) > 0"}]\n'
    (mistake,) = mistakes(written(tmp_path, f"parameters:\n  model.depth: {{values: [3, 2]}}\n{rule}"))
    assert (mistake.line, "where model.depth is 2: division by zero" in mistake.message) == (5, True)


def test_more_rules_than_can_be_applied_are_refused_before_they_are(tmp_path: Path) -> None:
    axes = "\n".join(
        f"  {path}: {{linspace: {{start: 0, stop: 1, num: 200}}}}" for path in ("loss.fn_weight", "loss.tversky_share")
    )
    rules = "\n".join(f"  - {{expr: 'loss.fn_weight + {n} > loss.tversky_share'}}" for n in range(4))
    (mistake,) = mistakes(written(tmp_path, f"parameters:\n{axes}\nexclude:\n{rules}\n"))
    assert (mistake.line, mistake.message[:32]) == (6, "4 rules for 40,000 cells are too")


def test_every_seed_and_every_included_cell_counts_against_the_limit(tmp_path: Path) -> None:
    text = "include: [{model.depth: 4}]\nreplicates: {seeds: [1, 2, 3]}\nlimits: {max_runs: 5}\n"
    (mistake,) = mistakes(written(tmp_path, text))
    assert mistake.message.startswith("2 cells × 3 of each = 6 runs; limits.max_runs is 5")


def test_thousands_of_mistakes_end_in_the_first_fifty(tmp_path: Path) -> None:
    file = tmp_path / "many.yaml"
    lines = (f"  model.dpeth{index}: {{values: [3]}}" for index in range(1000))
    file.write_text("name: a\nmetric: {name: val_f1}\nparameters:\n" + "\n".join(lines))
    found = mistakes(file)
    assert (found[0].line, found[0].message) == (0, f"more than {MAX_MISTAKES} mistakes; these come first")
    assert len(found) == MAX_MISTAKES + 1


def test_what_a_user_wrote_is_shortened_in_a_message(tmp_path: Path) -> None:
    file = tmp_path / "long.yaml"
    file.write_text(f"name: {'x' * 5000}\nmetric: {{name: {'y' * 5000}}}\n{'z' * 900}: 1\n")
    assert all(len(mistake.message) < 300 for mistake in mistakes(file))


def test_reading_a_search_space_loads_no_training_stack_and_no_numpy() -> None:
    heavy = "{'tensorflow', 'keras', 'mlflow', 'numpy', 'redis'}"
    code = f"import sys, orchestrator.search_space.sweep; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
