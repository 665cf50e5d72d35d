"""Numbered blocks of data made beside the training: some processes that work ahead, one block each.

Which process makes a block and when changes nothing about it, since a block depends on its number alone. Processes are
started when the first block is asked for, so that nothing is forked with a pool in it, and end with their parent,
however it ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Generic, TypeVar

Block = TypeVar("Block")
Draw = Callable[[int], Block]
"""From a block's number to the block."""


def from_processes(draw: Draw[Block], processes: int) -> Draw[Block]:
    """The same blocks, made by so many processes; `draw` must be picklable."""
    return _Ahead(draw, processes)


class _Ahead(Generic[Block]):
    """Keeps as many blocks in the making as there are processes."""

    def __init__(self, draw: Draw[Block], processes: int) -> None:
        self._draw = draw
        self._processes = processes
        self._pool: ProcessPoolExecutor | None = None
        self._coming: dict[int, Future[Block]] = {}

    def __call__(self, index: int) -> Block:
        """The block; one whose process was lost is made here."""
        try:
            self._order(index)
            return self._coming.pop(index).result()
        except BrokenProcessPool:
            self._stop()
            return self._draw(index)

    def _order(self, index: int) -> None:
        pool = self._pool or self._start()
        wanted = range(index, index + self._processes + 1)
        for number in self._coming.keys() - set(wanted):
            self._coming.pop(number).cancel()
        for number in wanted:
            if number not in self._coming:
                self._coming[number] = pool.submit(self._draw, number)

    def _start(self) -> ProcessPoolExecutor:
        spawned = multiprocessing.get_context("spawn")
        self._pool = pool = ProcessPoolExecutor(self._processes, mp_context=spawned, initializer=_end_with_parent)
        weakref.finalize(self, pool.shutdown, wait=False, cancel_futures=True)
        return pool

    def _stop(self) -> None:
        if self._pool:
            self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool, self._coming = None, {}


def _end_with_parent() -> None:
    """Leave interrupts to the parent, and leave when it has gone, even without a word."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            wait([parent.sentinel])
            os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
