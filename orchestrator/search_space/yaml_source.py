"""The door to YAML: a file comes in, plain Python values and the place of each go out.

Depth and the number of values (aliases expanded) are bounded while the text is parsed, and `text_source` bounds the
text itself, so the work that any file can cause is bounded. Scalars follow the core schema of YAML 1.2: `1e-3` is a
number and `no` is text. Tags are refused.

Broken syntax or a limit ends the reading with a `SearchSpaceError`. Mistakes that leave the rest readable (a key
given twice, a tag) are collected in `Document.mistakes`, to be told together with all others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    SequenceStartEvent,
    StreamStartEvent,
)
from ruamel.yaml.reader import ReaderError

from orchestrator.errors import Mistake, SearchSpaceError
from orchestrator.search_space.document import WHOLE, Document, Node, Place, refusal
from orchestrator.search_space.text_source import BEGIN, check_text, place_after, read_source
from orchestrator.search_space.wording import shortened
from orchestrator.search_space.yaml_scalars import plain_scalar

MAX_DEPTH = 10
MAX_VALUES = 10_000
_UNSPEAKABLE = re.compile("[\0\ud800-\udfff]")


def read(path: Path) -> Document:
    """Read a YAML file; raises as `read_source` and `parse` do."""
    source = read_source(path)
    return parse(source.text, source.name)


def parse(text: str, name: str) -> Document:
    """Parse the text of a YAML file called `name`.

    Raises:
        SearchSpaceError: the text is empty, not YAML, not one mapping, or beyond a limit.
    """
    check_text(text, name)
    composer = _Composer(name, iter(YAML(typ="safe", pure=True).parse(text)))
    try:
        root = composer.document()
    except ReaderError as error:
        message = f"the character U+{error.character:04X} is not allowed in YAML; remove it"
        raise refusal(name, message, place_after(text[: error.position])) from error
    except MarkedYAMLError as error:
        raise _syntax_refusal(name, error) from error
    except ValueError as error:  # a version of thousands of digits escapes ruamel.yaml so
        raise refusal(name, f"not valid YAML ({shortened(str(error))}); remove lines that begin with %") from error
    if not isinstance(root.value, dict):
        raise refusal(name, f"the file is not a mapping; {BEGIN}", root.place)
    return Document(name, root, tuple(composer.mistakes))


class _Composer:
    """Turns a stream of YAML events into nodes, within the limits."""

    def __init__(self, name: str, events: Iterator[Any]) -> None:
        self._name = name
        self._events = events
        self._anchors: dict[str, Node] = {}
        self._values = 0
        self.mistakes: list[Mistake] = []

    def document(self) -> Node:
        if not isinstance(self._after(StreamStartEvent), DocumentStartEvent):
            raise refusal(self._name, f"the file holds only comments; {BEGIN}", Place(1, 1))
        root = self._node(next(self._events), 1)
        following = self._after(DocumentEndEvent)
        if isinstance(following, DocumentStartEvent):
            message = "a second YAML document begins here; remove the '---' or move it to a file of its own"
            raise refusal(self._name, message, _place(following))
        return root

    def _after(self, kind: type) -> Any:
        return next(event for event in self._events if not isinstance(event, kind))

    def _node(self, event: Any, depth: int) -> Node:
        place = _place(event)
        if depth > MAX_DEPTH:
            raise refusal(self._name, f"nested more than {MAX_DEPTH} levels deep; a search space is flat", place)
        if isinstance(event, AliasEvent):
            return self._alias(event.anchor, place)
        self._count(1, place)
        if event.ctag is not None:
            self._wrong(place, f"the tag {shortened(str(event.ctag))} is not supported; remove it")
        node = self._value(event, place, depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _value(self, event: Any, place: Place, depth: int) -> Node:
        if isinstance(event, MappingStartEvent):
            return self._mapping(place, depth)
        if isinstance(event, SequenceStartEvent):
            return self._sequence(place, depth)
        return Node(self._text(event.value, place) if event.style else plain_scalar(event.value), place)

    def _text(self, text: str, place: Place) -> str:
        """Quoted text without what no file, database or terminal takes: NUL, and halves of characters."""
        if bad := _UNSPEAKABLE.search(text):
            self._wrong(place, f"the character U+{ord(bad[0]):04X} is not allowed; remove it")
        return _UNSPEAKABLE.sub("", text)

    def _sequence(self, place: Place, depth: int) -> Node:
        items = [self._node(event, depth + 1) for event in self._items()]
        return Node([item.value for item in items], place, _size(items), dict(enumerate(items)))

    def _mapping(self, place: Place, depth: int) -> Node:
        children: dict[str | int, Node] = {}
        keys: dict[str | int, Place] = {}
        for event in self._items():
            key = self._key(event, depth)
            child = self._node(next(self._events), depth + 1)
            if key in keys:
                self._wrong(
                    _place(event), f"the key '{shortened(key)}' stands already on line {keys[key].line}; keep one"
                )
            else:
                children[key], keys[key] = child, _place(event)
        return Node(
            {key: child.value for key, child in children.items()}, place, _size(children.values()), children, keys
        )

    def _key(self, event: Any, depth: int) -> str:
        node = self._node(event, depth + 1)
        if not isinstance(node.value, str):
            self._wrong(
                _place(event), f"the key '{shortened(str(node.value))}' is not text; put it in quotes or correct it"
            )
        return str(node.value)

    def _items(self) -> Iterator[Any]:
        for event in self._events:
            if isinstance(event, CollectionEndEvent):
                return
            yield event

    def _alias(self, anchor: str, place: Place) -> Node:
        if anchor not in self._anchors:
            raise refusal(
                self._name, f"the alias *{shortened(anchor)} stands before or inside its anchor; remove it", place
            )
        self._count(self._anchors[anchor].size, place)
        return self._anchors[anchor]

    def _count(self, values: int, place: Place) -> None:
        self._values += values
        if self._values > MAX_VALUES:
            message = f"more than {MAX_VALUES:,} values up to here, aliases expanded; shorten the lists"
            raise refusal(self._name, message, place)

    def _wrong(self, place: Place, message: str) -> None:
        self.mistakes.append(Mistake(*place, message))


def _size(children: Iterable[Node]) -> int:
    return 1 + sum(child.size for child in children)


def _place(event: Any) -> Place:
    return Place(event.start_mark.line + 1, event.start_mark.column + 1)


def _syntax_refusal(name: str, error: MarkedYAMLError) -> SearchSpaceError:
    mark = error.problem_mark or error.context_mark
    problem = shortened(str(error.problem or error.context), 120)
    advice = "check the indentation, quotes, brackets and colons here and on the line above"
    if "'\\t'" in problem:
        problem, advice = "found a tab", "indent with spaces"
    return refusal(
        name, f"not valid YAML: {problem}; {advice}", Place(mark.line + 1, mark.column + 1) if mark else WHOLE
    )
