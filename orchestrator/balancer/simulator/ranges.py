"""Quantities that vary, as a file writes them: a number, or a mapping that says how."""

from __future__ import annotations

import random
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from orchestrator.search_space.sections import Section
from orchestrator.search_space.wording import shown


class Range(Section):
    """A quantity that varies: even between two ends, log-normal about a median, or Pareto with a heavy tail."""

    least: float = Field(default=0.0, ge=0)
    most: float | None = Field(default=None, gt=0)
    median: float | None = Field(default=None, gt=0)
    """Of a log-normal quantity with `sigma`, cut at `least` and `most`."""
    sigma: float | None = Field(default=None, ge=0)
    shape: float | None = Field(default=None, gt=0)
    """Of a Pareto quantity from `least`, cut at `most`."""

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.median is None) != (self.sigma is None):
            raise ValueError("'median' and 'sigma' stand together; add the other")
        if self.median is None and self.most is None:
            raise ValueError("'most' is missing; write {least: 10, most: 25} or {median: 600, sigma: 0.5}")
        if self.shape is not None and (self.median is not None or self.least == 0):
            raise ValueError("'shape' needs 'least' above 0 and 'most', and no 'median'")
        if self.most is not None and self.most < self.least:
            raise ValueError(f"'most' is {self.most:g}, below 'least', which is {self.least:g}; swap them")
        return self

    def draw(self, chance: random.Random) -> float:
        """One value."""
        value = self._uncut(chance)
        return min(max(value, self.least), self.most if self.most is not None else value)

    def _uncut(self, chance: random.Random) -> float:
        if self.median is not None:
            return self.median * chance.lognormvariate(0, self.sigma or 0.0)
        if self.shape is not None:
            return self.least * chance.paretovariate(self.shape)
        return chance.uniform(self.least, self.most or self.least)


def _spread(value: Any) -> Any:
    if isinstance(value, dict | Range):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise ValueError(f"found {shown(value)}; expected a number above 0, or a range such as {{least: 10, most: 25}}")
    return {"median": float(value), "sigma": 0.0}


Spread = Annotated[Range, BeforeValidator(_spread)]
"""A range, or one number."""


def uniform(least: float, most: float) -> Range:
    """Even between two ends."""
    return Range(least=least, most=most)
