"""How the runs of a sweep are ranked, placed on GPUs, queued, retried and stopped."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from model.config import METRICS
from orchestrator.search_space.sections import Section
from orchestrator.search_space.wording import nearest, shortened, shown
from worker.spec import Goal

MAX_RUNS = 20_000
"""Highest `limits.max_runs`."""

_RANKABLE = tuple(name for name in METRICS if name.startswith("val_"))
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_MIB = {"MiB": 1, "GiB": 1024}


def _rankable(name: str) -> str:
    if name.startswith("test_"):
        raise ValueError(
            f"'{shortened(name)}' cannot rank a sweep, since the test set must not select; use a val_ metric"
        )
    if name not in _RANKABLE:
        hint = nearest(name, _RANKABLE) or f"; expected one of {', '.join(_RANKABLE)}"
        raise ValueError(f"there is no metric '{shortened(name)}'{hint}")
    return name


def _quantity(units: dict[str, int], example: str, word: str = "") -> tuple[BeforeValidator, WithJsonSchema]:
    """A number with one of `units`, or `word`; kept as written."""
    pattern = rf"[0-9]{{1,6}}(\.[0-9]{{1,3}})? ?({'|'.join(units)})" + (f"|{word}" if word else "")
    expected = f"expected a number above 0 with its unit, such as {example}" + (f", or {word}" if word else "")

    def check(value: Any) -> Any:
        if not isinstance(value, str) or not re.fullmatch(pattern, value) or _amount(value, units) == 0:
            raise ValueError(f"found {shown(value)}; {expected}")
        return value

    return BeforeValidator(check), WithJsonSchema(
        {"type": "string", "pattern": f"^({pattern})$", "examples": [example]}
    )


def _amount(text: str, units: dict[str, int]) -> float | None:
    """The quantity in the unit whose factor is 1; None where `text` is a word."""
    found = re.fullmatch(r"([0-9.]+) ?(\w+)", text)
    return float(found[1]) * units[found[2]] if found else None


class Metric(Section):
    """The number by which the cells are ranked."""

    name: Annotated[str, AfterValidator(_rankable), Field(json_schema_extra={"enum": list(_RANKABLE)})]
    """A metric of the validation data; the test set must not select."""
    goal: Literal["maximize", "minimize"] | None = None
    """Which way it improves; known for each metric, so it may be left out."""

    @model_validator(mode="after")
    def _goal_fits(self) -> Self:
        if self.goal not in (None, METRICS[self.name]):
            raise ValueError(
                f"goal is '{self.goal}', but {self.name} is better the other way; write {METRICS[self.name]}"
            )
        return self

    @property
    def direction(self) -> Goal:
        """Which way the metric improves."""
        return Goal(METRICS[self.name])


class Resources(Section):
    """What a run may take of a GPU."""

    gpu_memory: Annotated[str, *_quantity(_MIB, "6GiB", "auto")] = "auto"
    """Memory of one run, such as 6GiB; auto: predicted, then learned."""
    exclusive: bool = False
    """Whether a run has its GPU to itself."""

    @property
    def gpu_memory_mib(self) -> int | None:
        """Memory of one run, MiB; None where it is predicted."""
        amount = _amount(self.gpu_memory, _MIB)
        return None if amount is None else max(1, round(amount))


_Retries = Annotated[int, Field(ge=0, le=100)]


class Retries(Section):
    """How often a run is tried again, by the class of its failure."""

    infra: _Retries = 5
    """Worker, host, driver or container lost."""
    oom: _Retries = 2
    """Out of memory under its own cap; each time with a larger one."""
    timeout: _Retries = 1
    """Time is up; goes on from its checkpoint."""
    user: _Retries = 0
    """The training itself raised, or its loss is not finite."""


class PauseAfter(Section):
    """When a sweep that keeps failing is paused."""

    same_failure: Annotated[int, Field(ge=1)] = 3
    """Runs that failed in the same way."""
    failed_fraction: Annotated[float, Field(gt=0, le=1)] = 0.2
    """Share of failed runs; with 1, never."""


class Policy(Section):
    """In which order runs start, how long one may take, and what a failure leads to."""

    priority: Annotated[int, Field(ge=0, le=100)] = 50
    """Sweeps with a higher priority start their runs first."""
    order: Literal["seeds_last", "listed", "shuffled"] = "seeds_last"
    """seeds_last: one seed of every cell first; listed: all seeds of a cell together; shuffled: by the sweep's name."""
    timeout: Annotated[str, *_quantity(_SECONDS, "6h")] | None = None
    """Longest time of one run, such as 90min or 6h; null: none."""
    retries: Retries = Retries()
    """How often a run is tried again, by the class of its failure."""
    pause_after: PauseAfter = PauseAfter()
    """When a sweep that keeps failing is paused."""

    @property
    def timeout_s(self) -> float | None:
        """Longest time of one run, s; None: no limit."""
        return None if self.timeout is None else _amount(self.timeout, _SECONDS)


class Limits(Section):
    """What a submission may not exceed by accident."""

    max_runs: Annotated[int, Field(ge=1, le=MAX_RUNS)] = 2000
    """Most runs of the sweep, seeds included."""
