"""The shapes of answers about sweeps and runs, for OpenAPI; what they say comes from the backend as it is.

Answers may have more keys in later releases.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from model.config import Scalar
from orchestrator.states import RunState

Count = Annotated[int, Field(ge=0)]
Metrics = dict[str, float | None]
"""By name; null: not a finite number."""
SweepName = Annotated[str, Field(examples=["wolf"])]
RunId = Annotated[str, Field(examples=["3fa9c1e27b05d814"])]
Slug = Annotated[str, Field(examples=["d4-f3-adam-lr1e-3-s11-3fa9c1"])]


class Told(BaseModel):
    """An answer, or a part of one; what stands below a key describes it."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Mistake(Told):
    """One thing wrong in a search space; places count from 1, 0 where the whole text is meant."""

    line: int
    column: int
    message: str


class Problem(Told):
    """Why a request failed."""

    error: Annotated[str, Field(examples=["no sweep is called 'wolf'; known: none yet"])]
    """What was found, what was expected and what to do; of a search space, a line for each mistake."""
    kind: Annotated[str, Field(examples=["UnknownNameError"])]
    """The class of the error."""
    source: str | None = None
    """What the search space is called."""
    mistakes: list[Mistake] | None = None
    """All that is wrong in the search space."""


class States(Told):
    """Number of runs, and of those in each of the seven states, which sum to it."""

    runs: Count
    queued: Count
    assigned: Count
    running: Count
    finished: Count
    failed: Count
    infeasible: Count
    cancelled: Count


class Submission(States):
    """What a submission found."""

    sweep: SweepName
    new: Count
    """Of the queued ones, those that were not known before."""
    dropped: int
    """Known runs that the search space no longer has; they are kept."""


class Grid(Told):
    """How the number of cells comes about."""

    axes: dict[str, int]
    """Number of values by axis."""
    raw: Count
    """Cells of the product."""
    excluded: list[Count]
    """Cells that each rule took."""
    included: Count
    seeds: Count


class Footprint(Told):
    """Predicted peak memory of the runs, MiB."""

    least: Count
    most: Count


class Plan(Submission):
    """What a search space would train."""

    description: str
    grid: Grid
    footprint_mib: Footprint


class RunDetails(Told):
    """A run as `orchestrator status --runs` lists it."""

    run: RunId
    slug: Slug
    state: RunState
    attempts: Count
    epoch: Count
    metrics: Metrics
    mlflow_run_id: str
    message: str


class SweepStatus(States):
    """Counts of one sweep."""

    sweep: SweepName
    new: Count
    paused: str
    """Why nothing new starts; empty: it does."""
    held: bool
    details: list[RunDetails] | None = None
    """Every run, where they were asked for."""


class AllStatus(States):
    """Counts of all sweeps."""

    sweep: None
    new: Count
    sweeps: list[SweepStatus]


class Metric(Told):
    """The number by which cells are ranked."""

    name: str
    goal: Literal["maximize", "minimize"]


class Row(Told):
    """One cell of a leaderboard."""

    rank: int
    axes: dict[str, Scalar | None]
    mean: float | None
    """Of the metric, over the seeds; null where no run has it."""
    spread: float | None
    seeds: Count
    metrics: Metrics
    runs: list[str]


class Failure(Told):
    """A run that has no result."""

    run: RunId
    slug: Slug
    state: RunState
    message: str


class Best(Told):
    """The best one of some runs."""

    run: RunId
    slug: Slug
    value: float | None
    """Of the metric."""
    mlflow_run_id: str


class Report(States):
    """The result of a sweep."""

    sweep: SweepName
    metric: Metric
    axes: list[str]
    new: Count
    accepted: Count
    attempts: Count
    complete: bool
    """Whether every run has one accepted result."""
    leaderboard: list[Row]
    best: Best | None
    """Of the cell that ranks first, the accepted run with the best value."""
    failures: list[Failure]


class AtWork(Told):
    """A run that a worker has."""

    run: RunId
    slug: Slug
    state: RunState
    epoch: Count
    epochs: Count
    steps_per_s: float | None
    metrics: Metrics


class Progress(States):
    """What a sweep is doing just now."""

    sweep: SweepName
    paused: str
    metric: Metric
    starting: Count
    """Workers that are starting for its runs."""
    waits: str
    """Why the next of its runs waits, as the balancer said last; empty: none does."""
    at_work: list[AtWork]
    best: Best | None
    """The best run so far, whatever its cell."""
    mlflow: str | None
    """Address of the MLflow server."""
    unsettled: Count
    """Runs of all sweeps whose last move MLflow does not show yet."""


class Steered(Told):
    """What came of a request about a sweep."""

    sweep: SweepName
    message: Annotated[str, Field(examples=["wolf is paused; runs that are under way go on"])]


class Promotion(Best):
    """The run whose model is the champion of its sweep."""

    sweep: SweepName
    """Also the name of the registered model."""
    version: Annotated[int, Field(ge=1)]
    """Of the registered model."""
    new: bool
    """Whether the run was not registered before."""
    metric: str
    uri: Annotated[str, Field(examples=["models:/wolf@champion"])]
    """What `model predict --model` takes."""
    mlflow: str
    """Address of the MLflow server, for MLFLOW_TRACKING_URI."""
    command: str
    """What to call next."""


class Log(Told):
    """A piece of what the latest attempt of a run printed."""

    run: RunId
    state: RunState
    over: bool
    """Whether the run is over, and no more will be printed."""
    attempt: str | None
    """Ask for the next piece with this and `position`; null: nothing was printed yet."""
    position: Count
    end: bool
    """Whether there is no more just now."""
    text: str
