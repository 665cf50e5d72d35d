"""What every part of a search space is made of: strict frozen sections, and the values that a field can hold."""

from __future__ import annotations

import math
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, PlainValidator, Strict, WithJsonSchema

from model.config import Scalar
from orchestrator.search_space.wording import shown


class Section(BaseModel):
    """A frozen mapping that refuses unknown keys and values of the wrong kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


def _one_value(value: Any) -> Scalar:
    if isinstance(value, dict | list):
        raise ValueError(f"found {shown(value)}; expected one value, groups are written as dotted paths")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"found {shown(value)}; expected a finite number")
    return value  # type: ignore[no-any-return]


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"found {shown(value)}; expected a number")
    return value


def _choices(value: Any) -> tuple[Scalar, ...]:
    return tuple(map(_one_value, value)) if isinstance(value, list) and value else (_one_value(value),)


_ONE = {"type": ["boolean", "number", "string", "null"]}
T = TypeVar("T")

Value = Annotated[Scalar, PlainValidator(_one_value), WithJsonSchema(_ONE)]
"""What a hyperparameter can be set to."""
Number = Annotated[int | float, PlainValidator(_number), WithJsonSchema({"type": "number"})]
"""A finite number; whole numbers stay whole."""
Choices = Annotated[
    tuple[Scalar, ...],
    PlainValidator(_choices),
    WithJsonSchema({"anyOf": [_ONE, {"type": "array", "items": _ONE, "minItems": 1}]}),
]
"""One value, or a list of which any may hold."""
Row = Annotated[tuple[T, ...], Strict(False)]
"""A YAML list, kept as a tuple."""
