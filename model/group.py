"""A group of hyperparameters: frozen, and strict about names and kinds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Group(BaseModel):
    """A frozen group of fields that refuses unknown names and values of the wrong kind."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)
