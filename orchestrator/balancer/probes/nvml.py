"""NVIDIA's GPUs: a child asks the driver, a thread listens to it, `read` answers at once from what was heard.

The thread ends a child that has fallen silent, because the driver hangs, and starts another one, as it does for one
that has crashed or has left because the driver is gone: after half a second, then after longer and longer waits.

A GPU with a serious Xid stays in trouble until `NvmlProbe.forgive` or until the balancer is restarted; the table is in
`health.py`. A driver that goes on answering with old numbers cannot be told from one that has nothing new to say.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from orchestrator.balancer.probes.board import Board
from orchestrator.balancer.probes.child import Child, SilenceError
from orchestrator.balancer.probes.wire import Line, decode
from orchestrator.balancer.readings import Reading

_log = logging.getLogger(__name__)
_CHILD = "orchestrator.balancer.probes.nvml_child"
_FIRST_WORD_S = 20.0
"""A busy machine may take that long to start an interpreter."""
_LONGEST_WAIT_S = 30.0


@dataclass(frozen=True)
class Pace:
    """How often, and how long."""

    interval_s: float = 1.0
    """From one poll to the next."""
    slow_every_s: float = 5.0
    """How often health and lists of processes are read; the lists also when the memory has changed."""
    silence_s: float = 5.0
    """How long the child may say nothing before it is ended; more than the interval."""
    restart_s: float = 0.5
    """Wait before the next child; doubled up to 30 s while children do not complete a poll."""
    retry_s: float = 60.0
    """How long a GPU that hung or crashed the child is left alone; doubled each time, up to an hour."""


class NvmlProbe:
    """Reads all GPUs and MIG instances of this machine."""

    def __init__(self, pace: Pace = Pace(), *, environment: Mapping[str, str] | None = None) -> None:
        """Start reading; the child gets `environment` beside this process's own."""
        self._pace = pace
        self._environment = dict(environment or {})
        self._board = Board(retry_s=pace.retry_s)
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._child: Child | None = None
        self._thread = threading.Thread(target=self._keep, name="nvml", daemon=True)
        self._thread.start()

    def read(self) -> tuple[Reading, ...]:
        """The newest reading of every device that was ever seen; none before the first poll."""
        with self._news:
            return self._board.readings()

    def close(self) -> None:
        """Stop reading; no process is left."""
        self._stop.set()
        with self._news:
            if self._child:
                self._child.kill()
        self._thread.join()

    def listed(self, within_s: float) -> int | None:
        """How many GPUs the driver lists; None where it has not said so in time, `driver_trouble` says why."""
        with self._news:
            self._news.wait_for(lambda: self._board.listed is not None or self._board.driver_trouble, within_s)
            return self._board.listed

    @property
    def polls(self) -> int:
        """How often all devices have been read."""
        with self._news:
            return self._board.polls

    def wait_for_polls(self, number: int, within_s: float) -> bool:
        """Wait until all devices have been read so often since the start; False where that takes longer."""
        with self._news:
            return self._news.wait_for(lambda: self._board.polls >= number, within_s)

    @property
    def driver_trouble(self) -> str:
        """Why the driver does not answer; empty while it does."""
        with self._news:
            return self._board.driver_trouble

    @property
    def driver_is_missing(self) -> bool:
        """Whether there is no driver's library on this machine."""
        with self._news:
            return self._board.driver_is_missing

    def forgive(self, device_id: str) -> None:
        """Take a device back after a Xid: its GPU was reset."""
        with self._news:
            self._board.forgive(device_id)

    def _keep(self) -> None:
        wait_s = self._pace.restart_s
        while not self._stop.is_set():
            polls = self._board.polls
            try:
                self._follow()
            except Exception:
                _log.exception("the child that asks the driver could not be started or heard")
            wait_s = self._pace.restart_s if self._board.polls > polls else min(2 * wait_s, _LONGEST_WAIT_S)
            self._stop.wait(wait_s)

    def _follow(self) -> None:
        """One child, from its start to its end."""
        child = self._begin()
        if child is None:
            return
        how = ""
        try:
            for text in child.lines(_FIRST_WORD_S, self._pace.silence_s):
                self._hear(decode(text) or Line())
            how = child.ended()
        except SilenceError:
            how = f"has not answered for {self._pace.silence_s:.0f} s"
        finally:
            child.close()
        if how and not self._stop.is_set():
            self._change(lambda: self._board.died(how))

    def _begin(self) -> Child | None:
        with self._news:
            if self._stop.is_set():
                return None
            self._child = Child(self._command(), self._environment)
            return self._child

    def _command(self) -> list[str]:
        pace = ["--interval-s", str(self._pace.interval_s), "--slow-every-s", str(self._pace.slow_every_s)]
        bars = [word for key in self._board.barred() for word in ("--barred", key)]
        return [sys.executable, "-m", _CHILD, *pace, *bars]

    def _hear(self, line: Line) -> None:
        self._change(lambda: self._board.take(line))
        if line.polled is not None:
            for key in self._board.due():
                self._try_again(key)

    def _try_again(self, key: str) -> None:
        with self._news:
            if self._child:
                self._child.send(key)

    def _change(self, change: Callable[[], None]) -> None:
        with self._news:
            before = self._board.troubles()
            change()
            for name, words in self._board.troubles().items():
                if words != before.get(name, ""):
                    _log.warning("%s: %s", name, words or "well again")
            self._news.notify_all()
