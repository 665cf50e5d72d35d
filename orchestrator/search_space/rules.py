"""A rule: which cells does `exclude` leave out, and in which is an axis with `when` there?

A rule comes in as the entries of its YAML mapping and answers `matches` for the values of a cell. A cell matches if
it has every hyperparameter that the rule names, every key has one of its accepted values, and `expr` is true.
An expression may compare, calculate with + - * /, join with and, or, not, and look into lists; it is checked node by
node against a whitelist and evaluated by simpleeval, without any function.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from simpleeval import EvalWithCompoundTypes, InvalidExpression  # type: ignore[import-untyped]

from model.config import Scalar, field_paths
from orchestrator.search_space.wording import shortened, unknown_path

EXPRESSION = "expr"
"""The key of a rule that holds an expression rather than accepted values."""
MAX_CHARACTERS = 500
MAX_NODES = 100

_WHITELIST = (
    *(ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div),
    *(ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn),
    *(ast.List, ast.Tuple, ast.Constant, ast.Name, ast.Load),
)
_EXPECTED = "expected comparisons of hyperparameters such as \"model.depth >= 4 and optimizer.name == 'sgd'\""


class RuleError(ValueError):
    """An expression that cannot be read, or not be evaluated for a cell."""


class Expression(NamedTuple):
    """A checked expression; `names` are the paths in it."""

    text: str
    tree: ast.expr
    names: tuple[str, ...]


@dataclass(frozen=True)
class Rule:
    """Accepted values by path, and perhaps an expression; all must hold."""

    accepted: Mapping[str, tuple[Scalar, ...]]
    expression: Expression | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The paths that a cell must have to match."""
        return (*self.accepted, *(self.expression.names if self.expression else ()))

    def matches(self, values: Mapping[str, Scalar]) -> bool:
        """Whether a cell with these values matches.

        Raises:
            RuleError: the expression compares what cannot be compared, or is neither true nor false.
        """
        if not all(path in values and values[path] in accepted for path, accepted in self.accepted.items()):
            return False
        if self.expression is None:
            return True
        names = self.expression.names
        return all(name in values for name in names) and _holds(self.expression, tuple(map(values.__getitem__, names)))


def rule_of(entries: Mapping[str, tuple[Scalar, ...]]) -> Rule:
    """The rule of a YAML mapping, each value in it a tuple; raises as `parse` does."""
    accepted = {path: values for path, values in entries.items() if path != EXPRESSION}
    return Rule(accepted, parse(*entries[EXPRESSION]) if EXPRESSION in entries else None)


def parse(text: Scalar, *more: Scalar) -> Expression:
    """Check an expression and find the hyperparameters in it.

    Raises:
        RuleError: it is no expression, too long, uses what the whitelist has not, or names no known hyperparameter.
    """
    if not isinstance(text, str) or more:
        raise RuleError(f"expr is not one text; {_EXPECTED}")
    if len(text) > MAX_CHARACTERS:
        raise RuleError(f"expr has {len(text):,} characters, more than {MAX_CHARACTERS}; split the rule in two")
    tree = _Paths().visit(_syntax_tree(text.strip()))
    nodes = list(ast.walk(tree))
    for node in nodes:
        if not isinstance(node, _WHITELIST):
            raise RuleError(f"expr uses {type(node).__name__}, which is not allowed; {_EXPECTED}")
    names = tuple(dict.fromkeys(node.id for node in nodes if isinstance(node, ast.Name)))
    if unknown := [name for name in names if name not in field_paths()]:
        raise RuleError(f"in expr, {unknown_path(unknown[0])}")
    if not names or len(nodes) > MAX_NODES:
        raise RuleError(f"expr names no hyperparameter or has more than {MAX_NODES} parts; {_EXPECTED}")
    return Expression(text, tree, names)


class _Paths(ast.NodeTransformer):
    """Turns the attribute `model.depth` into one name."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        if isinstance(node.value, ast.Name):
            return ast.Name(f"{node.value.id}.{node.attr}", ast.Load())
        return node


def _syntax_tree(text: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise RuleError(f"expr cannot be read ({reason}); {_EXPECTED}") from error


@lru_cache(maxsize=8_192)
def _holds(expression: Expression, values: tuple[Scalar, ...]) -> bool:
    names = dict(zip(expression.names, values, strict=True))
    try:
        answer: Any = EvalWithCompoundTypes(functions={}, names=names).eval(expression.text, expression.tree)
    except (TypeError, ArithmeticError, InvalidExpression) as error:
        raise RuleError(f"expr cannot be evaluated where {_where(names)}: {shortened(str(error), 100)}") from error
    if not isinstance(answer, bool):
        raise RuleError(f"expr is neither true nor false where {_where(names)}; {_EXPECTED}")
    return answer


def _where(names: Mapping[str, Scalar]) -> str:
    return shortened(", ".join(f"{path} is {value}" for path, value in names.items()), 200)
