"""The bodies of requests."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from orchestrator.search_space.text_source import MAX_BYTES

MAX_BODY = 16 * MAX_BYTES
"""Most bytes of a body: a search space in which every character is escaped as JSON may, and some more."""

SPACE = """name: wolf
metric: {name: val_f1}
parameters:
  model.depth: {values: [3, 4]}
replicates: {seeds: [11, 23]}
"""

_Name = Annotated[str, Field(min_length=1, max_length=200)]


class Body(BaseModel):
    """A body in which every key is known."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class SpaceText(Body):
    """A search space as it stands in a file. Paths of movies start from the server's data folder."""

    name: Annotated[str, Field(min_length=1, max_length=1000)] = "search space"
    """What mistakes call it, such as the name of the file."""
    text: Annotated[str, Field(max_length=MAX_BYTES, examples=[SPACE])]
    """The YAML."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "wolf.yaml", "text": SPACE}]})


class Chosen(Body):
    """Which runs of the sweep are meant."""

    runs: Annotated[list[_Name], Field(max_length=1000)] = []
    """Ids, slugs, or beginnings of ids; none: all that it applies to."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"runs": []}, {"runs": ["3fa9c1"]}]})


class Reopen(Body):
    """Which device is meant."""

    device: Annotated[str | None, Field(max_length=200)] = None
    """A name as in the balancer's status, a UUID, or the beginning of one; none: all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"device": "gpu0"}]})


class Drain(Reopen):
    """Which device is to be closed, and how."""

    now: bool = False
    """Whether its runs checkpoint and go back to the queue at once, instead of being finished there."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"device": "gpu0", "now": False}]})
