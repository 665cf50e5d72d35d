"""`balancer status --watch`: a page that is drawn again and again, in place on a terminal, else one after the other."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from orchestrator.balancer.answers.painting import writable
from orchestrator.errors import ServiceError

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""Another screen, no cursor, and what is too wide is cut off instead of wrapped."""
_LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_HOME, _REST_OF_LINE, _REST_OF_SCREEN = "\x1b[H", "\x1b[K", "\x1b[J"

Draw = Callable[[int, int], str]
"""Gives the page for so many columns and lines."""


def watch(draw: Draw, *, interval_s: float = 1.0, out: TextIO | None = None) -> None:
    """Draw until Ctrl-C or SIGTERM; what does not answer meanwhile is said, and asked again."""
    stream = sys.stdout if out is None else out
    paging = _in_place if stream.isatty() else _one_after_the_other
    try:
        with paging(stream) as show:
            while True:
                columns, lines = size()
                show(writable(_page(draw, columns, lines), stream.encoding))
                time.sleep(interval_s)
    except KeyboardInterrupt:
        return


def size() -> tuple[int, int]:
    """Columns and lines of the terminal; wide where there is none, so that nothing is cut for a file."""
    found = shutil.get_terminal_size(fallback=(160, 10_000))
    return found.columns, found.lines


def _page(draw: Draw, columns: int, lines: int) -> str:
    try:
        return "\n".join(draw(columns, lines - 1).split("\n")[: lines - 1])
    except ServiceError as error:
        return str(error)


@contextmanager
def _in_place(stream: TextIO) -> Iterator[Callable[[str], None]]:
    def show(page: str) -> None:
        lines = f"{_REST_OF_LINE}\r\n".join(page.split("\n"))
        stream.write(f"{_HOME}{lines}{_REST_OF_LINE}{_REST_OF_SCREEN}")
        stream.flush()

    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    stream.write(_ENTER)
    try:
        yield show
    finally:
        stream.write(_LEAVE)
        stream.flush()
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _one_after_the_other(stream: TextIO) -> Iterator[Callable[[str], None]]:
    def show(page: str) -> None:
        stream.write(f"{page}\n")
        stream.flush()

    yield show
