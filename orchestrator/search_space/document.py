"""What a YAML file says and where it says it, free of any YAML library.

`yaml_source` makes a `Document`; whoever finds something wrong in it asks `mistake` for an error with line and column.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from orchestrator.errors import Mistake, SearchSpaceError

Location = tuple[str | int, ...]
"""The keys and list indices that lead from the top of a document to one value."""

_NONE: Mapping[Any, Any] = MappingProxyType({})


class Place(NamedTuple):
    """Where something stands, counted from 1."""

    line: int
    column: int


WHOLE = Place(0, 0)
"""The file as such."""


class Node(NamedTuple):
    """A value with its place; `size` counts the values in it, `keys` holds the places of a mapping's keys."""

    value: Any
    place: Place
    size: int = 1
    children: Mapping[str | int, Node] = _NONE
    keys: Mapping[str | int, Place] = _NONE


class Problem(NamedTuple):
    """One thing wrong with the value at a location (or with its key), not yet looked up in the file."""

    location: Location
    message: str
    of_key: bool = False


class Document(NamedTuple):
    """A file that could be read: its root is a mapping. `mistakes` are those that left the rest readable."""

    name: str
    root: Node
    mistakes: tuple[Mistake, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """The whole file as dicts, lists and scalars."""
        return dict(self.root.value)

    def mistake(self, problem: Problem) -> Mistake:
        """The problem with its line and column, or those of the nearest thing around it that stands in the file."""
        steps = list(self._walk(problem.location))
        key_place, node = steps[-1]
        is_block = node.value is None or isinstance(node.value, dict | list)
        at_key = problem.of_key or is_block or len(steps) <= len(problem.location)
        return Mistake(*(key_place if at_key else node.place), problem.message)

    def _walk(self, location: Location) -> Iterator[tuple[Place, Node]]:
        node = self.root
        yield node.place, node
        for step in location:
            if step not in node.children:
                return
            parent, node = node, node.children[step]
            yield parent.keys.get(step, node.place), node


def refusal(name: object, message: str, place: Place = WHOLE) -> SearchSpaceError:
    """The error of a file that cannot be read any further."""
    return SearchSpaceError(str(name), [Mistake(*place, message)])
