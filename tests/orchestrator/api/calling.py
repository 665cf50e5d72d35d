"""Commands as a shell would call them, and what they say."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

SPACE = (
    "name: grid\nmetric: {name: val_f1}\nparameters:\n  model.depth: {values: [1, 2]}\nreplicates: {seeds: [1, 2]}\n"
)


class Said(NamedTuple):
    code: object
    out: str
    err: str


Call = Callable[..., Said]
