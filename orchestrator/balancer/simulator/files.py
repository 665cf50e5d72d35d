"""The two files of a simulation: a fleet (the machine) and a workload (its runs, and who else is there).

Both are strict: unknown keys and impossible values are refused with line, column and advice. A number may stand
wherever a `Spread` is expected; `benchmarks/balancer/README.md` explains every key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from orchestrator.balancer.simulator.ranges import Range, Spread, uniform
from orchestrator.errors import SearchSpaceError
from orchestrator.search_space.document import Location, Problem
from orchestrator.search_space.sections import Row, Section
from orchestrator.search_space.wording import sentence, unknown_key
from orchestrator.search_space.yaml_source import read

Positive = Annotated[float, Field(gt=0)]
Natural = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class Gpus(Section):
    """Devices of one kind."""

    count: Natural = 1
    model: str
    memory_mib: Natural
    context_mib: Spread = Range(median=900, sigma=0.15, most=1434)
    """What a process holds beside its cap: context, libraries, kernels."""
    attributed: bool = True
    """Whether the driver tells the memory of each process."""


class Release(Section):
    """How long memory outlives the process that held it."""

    usual_s: Spread = uniform(0, 0.5)
    abnormal_s: Spread = uniform(0, 20)
    """After a death."""
    stuck_share: Share = 0.02
    """Of deaths, after which it takes `stuck_s`."""
    stuck_s: Spread = Range(median=60, sigma=0)


class Frozen(Section):
    """Readings that stay as they were, with their old time."""

    every_s: Positive
    """Mean time between two such spells on one device."""
    lasts_s: Spread = uniform(10, 30)


class Fleet(Section):
    """The machine."""

    description: str = ""
    gpus: Row[Gpus] = Field(min_length=1)
    workers_per_gpu: Natural = 8
    """Most workers at once on one device."""
    overhead_mib: int = Field(default=1536, ge=0)
    """What the balancer believes that a worker holds beside its cap."""
    penalty: float = Field(default=0.02, ge=0, lt=0.1)
    """Share of its speed that every run loses for each other one on its device."""
    start_s: Spread = uniform(10, 25)
    """From the order to a worker that can take runs."""
    init_s: Spread = uniform(1, 3)
    """From a run's fork to its context on the device."""
    release: Release = Release()
    frozen: Frozen | None = None


class Group(Section):
    """Runs of one kind; each of its signatures draws its memory and its load once, each of its runs its duration."""

    name: str
    sweep: str = "sweep"
    signatures: Natural = 1
    runs: Natural = 1
    """Of each signature."""
    peak_mib: Spread
    load: Spread
    """Share of a device that one run keeps busy while it is alone."""
    duration_s: Spread
    """Of one run that is alone."""
    epochs: Natural = 40
    exclusive: bool = False


class Failures(Section):
    """Share of attempts that end before their time."""

    user: Share = 0.0
    """Errors of the training's own within its first second; never tried again."""
    crash: Share = 0.0
    """Crashes of the run's process, half of them while it takes its memory."""
    worker: Share = 0.0
    """Deaths of the whole worker, half of them while its run takes its memory."""


class Foreigner(Section):
    """A process of other people on some devices."""

    gpus: Row[int] = ()
    """Indices of devices, from 0; empty: all."""
    kind: Literal["constant", "oscillating", "sudden", "visiting"]
    mib: Spread
    """What it holds when it holds much."""
    low_mib: int = Field(default=0, ge=0)
    """What it holds when it holds little; a visitor that is away holds nothing."""
    high_s: Spread = uniform(5, 30)
    """How long it holds much."""
    low_s: Spread = uniform(5, 30)
    """How long it holds little."""


class Workload(Section):
    """Runs and foreigners."""

    description: str = ""
    groups: Row[Group] = ()
    search_space: str = ""
    """A search space, relative to this file, whose runs are taken instead of groups."""
    gflop_per_s: Positive | None = None
    """How fast one of its runs trains alone."""
    load: Spread = uniform(0.4, 0.9)
    """Of the runs of a search space."""
    priorities: dict[str, int] = Field(default_factory=dict)
    """By sweep; 50 where nothing stands."""
    prediction_sigma: float = Field(default=0.1, ge=0, le=1)
    """Log-normal error of the predicted peak of a signature."""
    work_sigma: float = Field(default=0.2, ge=0, le=2)
    """Log-normal error of the predicted work of a run."""
    jitter_sigma: float = Field(default=0.005, ge=0, le=0.1)
    """By how much the peaks of one signature's runs differ."""
    late_share: Share = 0.05
    """Of signatures, whose peak comes only `late_s` after the first epoch."""
    late_s: Spread = uniform(60, 600)
    failures: Failures = Failures()
    foreigners: Row[Foreigner] = ()

    @model_validator(mode="after")
    def _has_runs(self) -> Self:
        if bool(self.groups) == bool(self.search_space):
            raise ValueError("expected either 'groups' or 'search_space'; keep one of them")
        if self.search_space and self.gflop_per_s is None:
            raise ValueError("'gflop_per_s' is missing; it says how fast a run of the search space trains alone")
        names = [group.name for group in self.groups]
        if twice := next((name for name in names if names.count(name) > 1), ""):
            raise ValueError(f"two groups are called '{twice}'; rename one")
        return self


def read_fleet(path: Path) -> Fleet:
    """Read a fleet; raises `SearchSpaceError` with every mistake and its place."""
    return _read(path, Fleet)


def read_workload(path: Path) -> Workload:
    """Read a workload; raises `SearchSpaceError` with every mistake and its place."""
    return _read(path, Workload)


_File = TypeVar("_File", bound=Section)


def _read(path: Path, kind: type[_File]) -> _File:
    document = read(path)
    if document.mistakes:
        raise SearchSpaceError(document.name, document.mistakes)
    try:
        return kind.model_validate(document.values)
    except ValidationError as error:
        problems = _problems(kind, error)
        raise SearchSpaceError(document.name, [document.mistake(problem) for problem in problems]) from error


def _problems(kind: type[Section], error: ValidationError) -> Iterator[Problem]:
    for record in error.errors(include_url=False):
        location: Location = record["loc"]
        if record["type"] == "extra_forbidden":
            yield Problem(location, unknown_key(str(location[-1]), _keys_at(kind, location)), of_key=True)
        elif (
            record["type"] != "too_short" or not record["input"]
        ):  # pydantic also calls a list so if its items are wrong
            yield Problem(location, sentence(record))


_SECTIONS: Mapping[str, type[Section]] = MappingProxyType(
    {
        "gpus": Gpus,
        "release": Release,
        "frozen": Frozen,
        "groups": Group,
        "failures": Failures,
        "foreigners": Foreigner,
    }
)


def _keys_at(kind: type[Section], location: Location) -> list[str]:
    for step in location[:-1]:
        if isinstance(step, str):
            kind = _SECTIONS.get(step, Range)
    return list(kind.model_fields)
