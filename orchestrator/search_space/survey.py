"""What only the cells show: a grid too large, a rule that takes nothing, values that contradict each other.

A search space whose shape, names and values are right comes in; problems come out, each told once, however many
cells have it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from model.config import Scalar
from orchestrator.search_space.contradictions import config_problems
from orchestrator.search_space.document import Problem
from orchestrator.search_space.grammar import SearchSpace
from orchestrator.search_space.grid import dimensions, expand, raw_cells, sizes
from orchestrator.search_space.product import GridSizeError
from orchestrator.search_space.rules import EXPRESSION, Rule, RuleError, rule_of
from orchestrator.search_space.wording import nearest, shortened

MAX_CHECKS = 200_000
"""Most cells × rules."""
MAX_EVALUATIONS = 5_000
"""Most combinations of values for which expressions are evaluated."""

Values = Mapping[str, Scalar]


def problems(space: SearchSpace) -> Iterator[Problem]:
    """Everything that is wrong with the cells of `space`."""
    try:
        raw = [{**space.base, **values} for values in raw_cells(space)]
    except GridSizeError as error:
        yield Problem(("parameters",), f"{error}; {_largest_axes(space)}", of_key=True)
        return
    rules = tuple(map(rule_of, space.exclude))
    if len(raw) * len(rules) > MAX_CHECKS or _evaluations(space, rules) > MAX_EVALUATIONS:
        message = f"{len(rules)} rules for {len(raw):,} cells are too much work; join rules or name fewer axes in expr"
        yield Problem(("exclude",), message, of_key=True)
        return
    yield from _idle_axes(space, raw)
    broken = list(_rule_problems(rules, raw))
    yield from broken
    if not any(problem.location[-1] == EXPRESSION for problem in broken):
        yield from _cell_problems(space)


def _evaluations(space: SearchSpace, rules: Sequence[Rule]) -> int:
    sizes = {path: len(axis.rows) for axis in dimensions(space) for path in axis.paths}
    expressions = (rule.expression.names for rule in rules if rule.expression)
    return sum(math.prod(sizes.get(name, 1) for name in names) for names in expressions)


def _idle_axes(space: SearchSpace, raw: Sequence[Values]) -> Iterator[Problem]:
    """Axes whose condition never holds."""
    for path, axis in space.parameters.items():
        if axis.when and not any(path in values for values in raw):
            message = f"this condition holds in no cell, so {path} never varies{_unmet(axis.when, raw)}"
            yield Problem(("parameters", path, "when"), message)


def _rule_problems(rules: Sequence[Rule], raw: Sequence[Values]) -> Iterator[Problem]:
    for index, rule in enumerate(rules):
        try:
            alive = [values for values in raw if rule.matches(values)]
        except RuleError as error:
            yield Problem(("exclude", index, EXPRESSION), str(error))
            continue
        if not alive:
            yield Problem(("exclude", index), f"this rule matches no cell{_unmet(rule.accepted, raw)}")


def _unmet(accepted: Mapping[str, tuple[Scalar, ...]], raw: Sequence[Values]) -> str:
    """Which value makes a rule idle, if it is one value alone."""
    for path, wanted in accepted.items():
        had = dict.fromkeys(values[path] for values in raw if path in values)
        if not any(value in wanted for value in had):
            missed, only = " or ".join(map(str, wanted)), ", ".join(map(str, had))
            return f": {path} is never {shortened(missed)}, only {shortened(only)}{nearest(missed, map(str, had))}"
    return "; correct or remove it"


def _cell_problems(space: SearchSpace) -> Iterator[Problem]:
    cells = list(expand(space))
    runs, most = len(cells) * len(space.seeds), space.limits.max_runs
    if not cells:
        yield Problem(("exclude",), "the rules leave no cell; remove one", of_key=True)
    elif runs > most:
        count = f"{len(cells):,} cells × {len(space.seeds)} of each = {runs:,} runs; limits.max_runs is {most:,}"
        yield Problem(("limits", "max_runs"), f"{count}; {_largest_axes(space)}, exclude cells or raise the limit")
    else:
        yield from config_problems(space, cells)


def _largest_axes(space: SearchSpace) -> str:
    largest = sorted(sizes(space).items(), key=lambda axis: -axis[1])[:3]
    return "shorten an axis, the largest are " + ", ".join(f"{path} ({size} values)" for path, size in largest)
