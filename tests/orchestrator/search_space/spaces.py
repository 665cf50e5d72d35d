"""Search spaces for tests: written as YAML values, or drawn by hypothesis."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from orchestrator.search_space.loading import SearchSpace

POOL: dict[str, tuple[Any, ...]] = {
    "model.depth": (1, 2, 3),
    "model.frames": (1, 3, 5),
    "model.base_filters": (8, 16),
    "optimizer.name": ("adam", "adamw", "sgd"),
    "optimizer.momentum": (0.5, 0.9, 0.99),
    "optimizer.gradient_norm": (1.0, 5.0),
    "training.batch_size": (4, 8, 16),
}
"""Hyperparameters that never contradict each other."""


def space(**sections: Any) -> SearchSpace:
    """A search space of these sections."""
    return SearchSpace.model_validate({"name": "s", "metric": {"name": "val_f1"}, **sections})


@st.composite
def sections(draw: st.DrawFn) -> dict[str, Any]:
    """The sections of a search space with axes, conditions, groups, rules and seeds, some of them idle."""
    paths = draw(st.permutations(sorted(POOL)))
    axes, zipped, fixed = paths[:3], paths[3:5], paths[5:]
    lists = {path: draw(st.lists(st.sampled_from(POOL[path]), min_size=1, unique=True)) for path in [*axes, *zipped]}
    parameters: dict[str, Any] = {path: {"values": lists[path]} for path in axes}
    for index, path in enumerate(axes[1:], start=1):
        conditions = draw(st.dictionaries(st.sampled_from([*axes[:index], *zipped, *fixed]), st.none(), max_size=2))
        if conditions:
            parameters[path]["when"] = {other: _choices(draw, other) for other in conditions}
    steps = min(len(lists[path]) for path in zipped)
    rules = draw(st.lists(st.dictionaries(st.sampled_from(paths), st.none(), min_size=1, max_size=2), max_size=3))
    return {
        "base": {path: draw(st.sampled_from(POOL[path])) for path in fixed},
        "parameters": parameters,
        "zip": [{path: lists[path][:steps] for path in zipped}],
        "replicates": {"seeds": draw(st.lists(st.integers(0, 99), min_size=1, max_size=3, unique=True))},
        "exclude": [{path: _choices(draw, path) for path in rule} for rule in rules],
        "policy": {"order": draw(st.sampled_from(["seeds_last", "listed", "shuffled"]))},
    }


def _choices(draw: st.DrawFn, path: str) -> Any:
    return draw(st.one_of(st.sampled_from(POOL[path]), st.lists(st.sampled_from(POOL[path]), min_size=1)))
