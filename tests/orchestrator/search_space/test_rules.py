from __future__ import annotations

import pytest

from model.config import Scalar
from orchestrator.search_space.rules import MAX_CHARACTERS, RuleError, parse, rule_of

CELL: dict[str, Scalar] = {"model.depth": 4, "data.patch_px": 64, "optimizer.name": "sgd", "loss.fn_weight": 0.5}


def matches(expression: str, cell: dict[str, Scalar] = CELL) -> bool:
    return rule_of({"expr": (expression,)}).matches(cell)


@pytest.mark.parametrize(
    ("expression", "truth"),
    [
        ("model.depth >= 4 and data.patch_px >= 64", True),
        ("model.depth > 4 or optimizer.name == 'sgd'", True),
        ("not model.depth == 4", False),
        ("3 < model.depth <= 4", True),
        ("model.depth in [3, 5]", False),
        ("optimizer.name not in ('adam', 'adamw')", True),
        ("data.patch_px / 2 - 1 == 31", True),
        ("-model.depth + 2 * loss.fn_weight < 0", True),
        ("  model.depth == 4  # a note", True),
    ],
)
def test_an_expression_compares_calculates_and_joins(expression: str, truth: bool) -> None:
    assert matches(expression) is truth


def test_an_expression_about_what_a_cell_lacks_does_not_match_it() -> None:
    assert not matches("optimizer.momentum < 1 or model.depth == 4")


def test_an_expression_is_evaluated_for_every_cell_anew() -> None:
    assert [matches("model.depth >= 4", {"model.depth": depth}) for depth in (3, 4, 3)] == [False, True, False]


def test_the_names_of_a_rule_are_those_of_its_keys_and_its_expression() -> None:
    rule = rule_of({"model.depth": (3,), "expr": ("data.patch_px > 8 and data.patch_px < model.frames",)})
    assert rule.names == ("model.depth", "data.patch_px", "model.frames")


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os').system('true')",
        "model.depth.__class__ == 1",
        "().__class__.__bases__[0].__subclasses__() == model.depth",
        "(lambda: model.depth)() == 3",
        "[depth for depth in [1]] == model.depth",
        "model.depth ** 9 ** 9 ** 9 > 1",
        "model.depth << 999999 > 1",
        "'%999999999d' % model.depth == ''",
        "f'{model.depth:999999999}' == ''",
        "{model.depth: 1} == 1",
        "model['depth'] == 3",
        "model.depth if model.depth else 3",
        "(x := model.depth) == 3",
        "model.depth is 3",
        "*model.depth, 1",
    ],
)
def test_what_is_more_than_a_comparison_is_refused_unevaluated(expression: str) -> None:
    with pytest.raises(RuleError, match=r"^expr (uses \w+, which is not allowed|cannot be read)"):
        parse(expression)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("", "cannot be read"),
        ("model.depth >", "cannot be read"),
        ("model.depth > 1; model.depth > 2", "cannot be read"),
        ("'\\d' == optimizer.name", "cannot be read"),
        ("model.depth > \0", "cannot be read"),
        ("(" * 400 + "model.depth" + ")" * 80, "cannot be read"),
        ("model.depth > 1" + " " * MAX_CHARACTERS, "characters, more than 500"),
        ("1 < 2", "names no hyperparameter"),
        ("model.depth > 1" + "+1" * 60, "has more than 100 parts"),
        ("depth > 3", "no hyperparameter 'depth'; did you mean 'model.depth'"),
        ("model > 3", "'model' is a group"),
        ("optimizer.lr > 3", "did you mean 'optimizer.learning_rate'"),
    ],
)
def test_an_expression_that_cannot_be_meant_is_refused_with_the_reason(expression: str, words: str) -> None:
    with pytest.raises(RuleError, match=words):
        parse(expression)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("optimizer.name > 3", "cannot be evaluated where optimizer.name is sgd"),
        ("model.depth / (data.patch_px - 64) > 1", "cannot be evaluated where model.depth is 4, data.patch_px is 64"),
        ("model.depth", "neither true nor false where model.depth is 4"),
        ("optimizer.name * 99999999 == ''", "cannot be evaluated"),
        ("model.depth in 3", "cannot be evaluated"),
    ],
)
def test_an_expression_that_has_no_answer_for_a_cell_says_for_which(expression: str, words: str) -> None:
    with pytest.raises(RuleError, match=words):
        matches(expression)


def test_an_expression_in_a_list_is_refused() -> None:
    with pytest.raises(RuleError, match="expr is not one text"):
        rule_of({"expr": ("model.depth > 3", "model.depth > 4")})
    with pytest.raises(RuleError, match="expr is not one text"):
        rule_of({"expr": (True,)})
