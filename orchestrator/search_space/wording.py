"""Sentences for people: what was found, what was expected, and the nearest valid name.

`sentence` turns one of pydantic's error records into such a sentence; the `nearest` functions find what a misspelt
word may have meant. All text that a user wrote is shortened, so a hostile file gives short messages.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher, get_close_matches
from functools import lru_cache
from typing import Any

from pydantic_core import ErrorDetails

from model.config import field_paths

_SHOWN = 60
_EXAMPLES = {
    "Axis": "{values: [3, 4]}",
    "Metric": "{name: val_f1}",
    "Linspace": "{start: 0.5, stop: 0.8, num: 4}",
    "Logspace": "{start: 1e-4, stop: 1e-2, num: 3}",
    "Replicates": "{seeds: [11, 23]}",
    "Limits": "{max_runs: 2000}",
    "Resources": "{gpu_memory: auto}",
    "Policy": "{priority: 50}",
    "Retries": "{infra: 5}",
    "PauseAfter": "{same_failure: 3}",
}
_ADVICE = {
    "string_type": "expected text; put it in quotes if it is meant as text",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "bool_type": "expected true or false",
    "tuple_type": "expected a list such as [3, 4]",
    "dict_type": "expected 'key: value' pairs",
    "model_type": "expected 'key: value' pairs such as {example}",
    "greater_than": "expected more than {gt}",
    "greater_than_equal": "expected at least {ge}",
    "less_than": "expected less than {lt}",
    "less_than_equal": "expected at most {le}",
    "literal_error": "expected {expected}",
    "finite_number": "expected a finite number",
    "too_short": "expected at least one entry; fill it in or remove the key",
    "too_long": "expected at most {max_length} entries; shorten it",
    "string_too_long": "expected at most {max_length} characters; shorten it",
}


def shortened(text: str, characters: int = _SHOWN) -> str:
    """A text of at most so many characters, marked where it was cut."""
    return text if len(text) <= characters else f"{text[: characters - 1]}…"


def shown(value: Any) -> str:
    """A value as a person would write it, shortened."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text '{shortened(value)}'"
    if isinstance(value, dict | list):
        return ("an empty " if not value else "a ") + ("mapping" if isinstance(value, dict) else "list")
    return shortened(repr(value))


def sentence(error: ErrorDetails) -> str:
    """What was found and what was expected instead, without the place."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])
    if error["type"] == "missing":
        return f"'{error['loc'][-1]}' is missing; add it"
    context = error.get("ctx", {})
    context["example"] = _EXAMPLES.get(context.get("class_name", ""), "{name: wolf}")
    advice = _ADVICE[error["type"]].format(**context) if error["type"] in _ADVICE else error["msg"]
    return f"found {shown(error['input'])}; {advice}{_hint(error, context)}"


def unknown_key(key: str, valid: Iterable[str]) -> str:
    """The sentence for a key that a section does not have."""
    names = tuple(valid)
    return f"the key '{shortened(key)}' is unknown{nearest(key, names) or '; expected one of ' + ', '.join(names)}"


def unknown_path(path: str) -> str:
    """The sentence for a hyperparameter that does not exist."""
    group = [known for known in field_paths() if known.startswith(f"{path}.")]
    if group:
        return f"'{path}' is a group; write one of its fields as a dotted path, such as {group[0]}"
    return f"there is no hyperparameter '{shortened(path)}'{nearest_path(path)}"


def nearest(name: str, names: Iterable[str]) -> str:
    """A question that proposes the nearest of `names`, or nothing."""
    found = get_close_matches(name[:_SHOWN], list(names), n=1)
    return f"; did you mean '{found[0]}'?" if found else ""


def nearest_path(path: str) -> str:
    """A question that proposes the nearest hyperparameter: `optimizer.lr` means `optimizer.learning_rate`."""
    best = max(field_paths(), key=lambda known: _likeness(path[:_SHOWN], known))
    return f"; did you mean '{best}'?" if _likeness(path[:_SHOWN], best) >= 0.7 else ""


@lru_cache(maxsize=4096)
def _likeness(path: str, known: str) -> float:
    group, _, leaf = path.rpartition(".")
    known_group, _, known_leaf = known.rpartition(".")
    initials = "".join(word[0] for word in known_leaf.split("_"))
    likeness = 1.0 if leaf in (initials, known_leaf) else SequenceMatcher(None, leaf, known_leaf).ratio()
    return likeness + 0.5 * SequenceMatcher(None, group, known_group).ratio()


def _hint(error: ErrorDetails, context: dict[str, Any]) -> str:
    value = error["input"]
    if not isinstance(value, str):
        return ""
    if error["type"] in ("int_type", "float_type") and _is_number(value):
        return "; remove the quotes"
    if error["type"] == "literal_error":
        return nearest(value, context["expected"].replace(" or ", ", ").replace("'", "").split(", "))
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
