"""How answers and errors look as JSON, on both sides of the API.

An error is `{"error": TEXT, "kind": CLASS}`; that of a search space also has its `source` and its `mistakes`, so that
whoever reads it can raise the same error again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from orchestrator import errors
from orchestrator.errors import Mistake, OrchestratorError, SearchSpaceError

_KINDS = {
    kind.__name__: kind
    for kind in (
        errors.AccessError,
        errors.FencedError,
        errors.InputError,
        errors.LocalOnlyError,
        errors.OrchestratorError,
        errors.RefusedError,
        errors.ServiceError,
        errors.SupersededError,
        errors.UnknownNameError,
    )
}


def finite(value: Any) -> Any:
    """The value with null for numbers that are not finite, which JSON does not have."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, list | tuple) else value


def error_as_json(error: OrchestratorError) -> dict[str, Any]:
    """The error as one object."""
    if isinstance(error, SearchSpaceError):
        mistakes = [mistake._asdict() for mistake in error.mistakes]
        return {"error": str(error), "kind": SearchSpaceError.__name__, "source": error.source, "mistakes": mistakes}
    kinds = (kind.__name__ for kind in type(error).__mro__)
    return {"error": str(error), "kind": next(kind for kind in kinds if kind in _KINDS)}


def error_from_json(body: Mapping[str, Any]) -> OrchestratorError:
    """The error that `error_as_json` has told; raises KeyError or TypeError where it is none."""
    if body["kind"] == SearchSpaceError.__name__:
        mistakes = [Mistake(told["line"], told["column"], told["message"]) for told in body["mistakes"]]
        return SearchSpaceError(body["source"], mistakes)
    return _KINDS[body["kind"]](body["error"])
