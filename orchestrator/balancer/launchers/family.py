"""A worker's processes as the operating system shows them: its supervisor, the run in its child, and their helpers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import psutil

from model.units import MIB


class _Seen(NamedTuple):
    """A process, and its parent when it was first seen."""

    process: psutil.Process
    parent: int


class ProcessTable:
    """The processes of the machine; only those that are new since the last look are asked for their parents.

    To be looked at every few seconds: an id that was given anew in between is taken for the process that had it.
    """

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}

    def families(self, pids: Sequence[int]) -> dict[int, list[psutil.Process]]:
        """Each process that lives with its descendants, from one look at the table; nothing of one that is gone."""
        if not pids:
            self._seen = {}
            return {}
        seen = {pid: self._seen.get(pid) or _look_at(pid) for pid in psutil.pids()}
        self._seen = {pid: one for pid, one in seen.items() if one}
        children: dict[int, list[psutil.Process]] = {}
        for one in self._seen.values():
            children.setdefault(one.parent, []).append(one.process)
        return {pid: list(_family(self._seen[pid].process, children)) if pid in self._seen else [] for pid in pids}


def memory_mib(family: Sequence[psutil.Process]) -> int:
    """Of the supervisor and its run, which share pages, the larger one: a lower bound of what both hold."""
    sizes = [0]
    for process in family:
        with suppress(psutil.NoSuchProcess):
            sizes.append(process.memory_info().rss)
    return max(sizes) // MIB


def is_seen(pid: int, container_id: str, worker_id: str) -> bool:
    """Whether the process that has this number here is the first of a worker's container.

    Its control group names the container. Rootless Docker may give it none; then its command line names the worker.
    """
    process = Path(f"/proc/{pid}")
    try:
        return container_id in _text(process / "cgroup") or worker_id in _text(process / "cmdline")
    except OSError:
        return False


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def _look_at(pid: int) -> _Seen | None:
    try:
        process = psutil.Process(pid)
        return _Seen(process, process.ppid())
    except psutil.Error:
        return None


def _family(process: psutil.Process, children: Mapping[int, list[psutil.Process]]) -> Iterator[psutil.Process]:
    yield process
    for child in children.get(process.pid, []):
        yield from _family(child, children)
