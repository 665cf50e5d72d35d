"""Numbered blocks of data made beside the training: some processes that work ahead, one block each.

Which process makes a block and when changes nothing about it, since a block depends on its number alone. A process is
started when the first block is asked for, so that nothing is forked with one in it. It waits at a pipe, and so ends
with its parent, however that ends.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar, cast

Block = TypeVar("Block")
Draw = Callable[[int], Block]
"""From a block's number to the block."""

_CHECKOUT = Path(__file__).resolve().parents[1]
_PROGRAM = "from model.supply import serve; serve()"


def from_processes(draw: Draw[Block], processes: int) -> Draw[Block]:
    """The same blocks, made by so many processes; `draw` must be picklable."""
    return _Ahead(draw, processes)


def serve() -> None:
    """The life of such a process: how blocks are drawn, and then their numbers, from stdin; blocks to stdout."""
    asked, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints is no block
    try:
        draw = pickle.load(asked)
        while True:
            index = pickle.load(asked)
            answer: tuple[Any, Exception | None]
            try:
                answer = draw(index), None
            except Exception as error:
                answer = None, error
            _send(answers, answer)
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return


class _Ahead(Generic[Block]):
    """Keeps each process at a block that will be asked for: process k at those whose number is k mod their count."""

    def __init__(self, draw: Draw[Block], processes: int) -> None:
        self._draw, self._processes = draw, processes
        self._workers: list[_Worker[Block]] = []

    def __call__(self, index: int) -> Block:
        """The block; one whose process was lost is made here."""
        self._workers = self._workers or [_Worker(self._draw) for _ in range(self._processes)]
        for ahead in range(index, index + self._processes):
            self._of(ahead).ask(ahead)
        try:
            block, error = self._of(index).answer(index)
        except (EOFError, OSError, pickle.UnpicklingError):
            self._workers[index % self._processes] = _Worker(self._draw)
            return self._draw(index)
        self._of(index).ask(index + self._processes)
        if error is not None:
            raise error
        return cast(Block, block)

    def _of(self, index: int) -> _Worker[Block]:
        return self._workers[index % self._processes]


class _Worker(Generic[Block]):
    """One process, which is never asked for two blocks at once."""

    def __init__(self, draw: Draw[Block]) -> None:
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=_CHECKOUT
        )
        self._asks, self._answers = cast(BinaryIO, process.stdin), cast(BinaryIO, process.stdout)
        self._at: int | None = None
        weakref.finalize(self, _end, process)
        self._say(draw)

    def ask(self, index: int) -> None:
        """Let it make a block, unless it is at one."""
        if self._at is None:
            self._at = index
            self._say(index)

    def answer(self, index: int) -> tuple[Block | None, Exception | None]:
        """Wait for the block, or what went wrong with it; another one that it was at is dropped."""
        while True:
            self.ask(index)
            answer, at, self._at = pickle.load(self._answers), self._at, None
            if at == index:
                return cast(tuple[Block | None, Exception | None], answer)

    def _say(self, value: Any) -> None:
        with suppress(BrokenPipeError):  # its answer will not come
            _send(self._asks, value)


def _send(pipe: BinaryIO, value: Any) -> None:
    pickle.dump(value, pipe, pickle.HIGHEST_PROTOCOL)
    pipe.flush()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()
