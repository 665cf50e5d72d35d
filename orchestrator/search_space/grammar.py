"""The search space as its author writes it: fixed values, axes, seeds, rules, policy.

These sections know the shape of each part. Whether the names and values in it can be trained is for `checks` and
`survey` to say; `search_space.load` calls them all.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr

from model.config import SEED_PATH, Scalar, TrainConfig
from orchestrator.search_space.axes import MAX_POINTS, Axis, repeated
from orchestrator.search_space.policy import Limits, Metric, Policy, Resources
from orchestrator.search_space.rules import rule_of
from orchestrator.search_space.sections import Choices, Row, Section, Value
from orchestrator.search_space.wording import shortened, shown

_NAME = "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"


def _file_name(name: str) -> str:
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"found {shown(name)}; expected up to 64 letters, digits, '_', '.' and '-', no mark first")
    return name


def _moves_together(group: dict[str, tuple[Scalar, ...]]) -> dict[str, tuple[Scalar, ...]]:
    lengths = {path: len(values) for path, values in group.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{path} has {length}" for path, length in lengths.items())
        raise ValueError(f"axes that move together need equally many values; {shortened(found, 200)}")
    if (twice := repeated(zip(*group.values(), strict=True))) is not None:
        raise ValueError(f"the values {shortened(str(twice[0]))} stand twice in this group; keep one")
    return group


def _readable(entries: dict[str, tuple[Scalar, ...]]) -> dict[str, tuple[Scalar, ...]]:
    rule_of(entries)
    return entries


def _distinct(seeds: tuple[int, ...]) -> tuple[int, ...]:
    if (twice := repeated(seeds)) is not None:
        raise ValueError(f"the seed {shown(twice[0])} stands twice; keep one")
    return seeds


Assignments = Annotated[dict[str, Value], Field(min_length=1)]
ZipGroup = Annotated[
    dict[str, Annotated[Row[Value], Field(min_length=1, max_length=MAX_POINTS)]],
    Field(min_length=1),
    AfterValidator(_moves_together),
]
Exclude = Annotated[dict[str, Choices], Field(min_length=1), AfterValidator(_readable)]
_Seed = Annotated[int, Field(ge=0, lt=2**53)]


class Replicates(Section):
    """How often every cell is repeated."""

    param: Literal["training.seed"] = "training.seed"
    """The hyperparameter that tells the repetitions apart."""
    seeds: Annotated[Row[_Seed], Field(min_length=1, max_length=MAX_POINTS), AfterValidator(_distinct)]
    """One run of every cell for each."""


class SearchSpace(Section):
    """A sweep: what is trained, in which combinations, and how the runs are treated."""

    name: Annotated[str, AfterValidator(_file_name), Field(json_schema_extra={"pattern": f"^{_NAME}$"})]
    """The sweep; submitting the name again extends it."""
    description: Annotated[str, Field(max_length=2000)] = ""
    """What the sweep is for, in a sentence."""
    base: dict[str, Value] = Field(default={})
    """Fixed values by dotted path; everything else keeps its default."""
    metric: Metric
    """The number by which the cells are ranked."""
    parameters: dict[str, Axis] = Field(default={})
    """The axes of the grid; the first varies slowest."""
    zip: Row[ZipGroup] = ()
    """Groups of axes that move together; each group is one more axis of the grid."""
    replicates: Replicates | None = None
    """The seeds with which every cell is repeated."""
    exclude: Row[Exclude] = ()
    """Rules; a cell that matches every entry of one is left out."""
    include: Row[Assignments] = ()
    """Cells beside the grid, added after the rules."""
    resources: Resources = Resources()
    """What a run may take of a GPU."""
    policy: Policy = Policy()
    """In which order runs start, how long one may take, and what a failure leads to."""
    limits: Limits = Limits()
    """What a submission may not exceed by accident."""

    _folder: Path = PrivateAttr(Path())

    @property
    def folder(self) -> Path:
        """The folder from which relative paths of input files start."""
        return self._folder

    def in_folder(self, folder: Path) -> Self:
        """The same space, written in a file in `folder`."""
        space = self.model_copy()
        space._folder = folder
        return space

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds with which every cell is trained."""
        if self.replicates:
            return self.replicates.seeds
        seed = self.base.get(SEED_PATH, TrainConfig().training.seed)
        return (int(seed or 0),)
