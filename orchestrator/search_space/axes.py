"""An axis: one hyperparameter and its values, listed or generated, always there or only under a condition.

Generated floats are rounded to 12 significant digits, so the same YAML gives the same values on every machine;
between whole numbers, whole values stay whole.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Annotated, Self

from pydantic import Field, model_validator

from model.config import Scalar
from orchestrator.search_space.sections import Choices, Number, Row, Section, Value
from orchestrator.search_space.wording import shown

SIGNIFICANT_DIGITS = 12
MAX_POINTS = 1_000

_Count = Annotated[int, Field(ge=2, le=MAX_POINTS)]


class Linspace(Section):
    """Equal steps: start + i (stop − start) / (num − 1)."""

    start: Number
    """First value."""
    stop: Number
    """Last value, included."""
    num: _Count
    """Number of values."""

    def points(self) -> tuple[Scalar, ...]:
        """The values, in order."""
        step = (self.stop - self.start) / (self.num - 1)
        return _rounded([self.start, *(self.start + i * step for i in range(1, self.num - 1)), self.stop])


class Logspace(Section):
    """Equal ratios: start (stop / start)^(i / (num − 1)); start and stop are values, not exponents."""

    start: Annotated[Number, Field(gt=0)]
    """First value, above 0."""
    stop: Annotated[Number, Field(gt=0)]
    """Last value, included."""
    num: _Count
    """Number of values."""

    def points(self) -> tuple[Scalar, ...]:
        """The values, in order."""
        ratio = self.stop / self.start
        inner = (self.start * ratio ** (i / (self.num - 1)) for i in range(1, self.num - 1))
        return _rounded([self.start, *inner, self.stop])


class Axis(Section):
    """One hyperparameter and its values; exactly one of `values`, `value`, `linspace` and `logspace`."""

    values: Annotated[Row[Value], Field(min_length=1, max_length=MAX_POINTS)] = ()
    """The values, listed."""
    value: Value = None
    """The one value."""
    linspace: Linspace | None = None
    """Values in equal steps."""
    logspace: Logspace | None = None
    """Values in equal ratios."""
    when: Annotated[dict[str, Choices], Field(min_length=1)] | None = None
    """Conditions on other axes; where one does not hold, this axis is left out and its field keeps its default."""

    @model_validator(mode="after")
    def _has_one_source(self) -> Self:
        given = [name for name in ("values", "linspace", "logspace") if getattr(self, name)]
        given += ["value"] * ("value" in self.model_fields_set)
        if len(given) != 1:
            found = " and ".join(given) or "none of them"
            raise ValueError(f"found {found}; expected exactly one of values, value, linspace and logspace")
        if (twice := repeated(self.points())) is not None:
            raise ValueError(f"{shown(twice[0])} stands twice in this axis; keep one")
        return self

    def points(self) -> tuple[Scalar, ...]:
        """The values, in order."""
        generator = self.linspace or self.logspace
        return generator.points() if generator else self.values or (self.value,)


def repeated(items: Iterable[Hashable]) -> tuple[Hashable] | None:
    """The first item that came before, in a tuple (since it may be None)."""
    seen: set[Hashable] = set()
    for item in items:
        if item in seen:
            return (item,)
        seen.add(item)
    return None


def _rounded(points: list[int | float]) -> tuple[Scalar, ...]:
    ends_whole = isinstance(points[0], int) and isinstance(points[-1], int)
    rounded = [float(f"{point:.{SIGNIFICANT_DIGITS}g}") for point in points]
    return tuple(int(point) if ends_whole and point.is_integer() else point for point in rounded)
